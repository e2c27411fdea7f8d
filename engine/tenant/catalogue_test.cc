#include "engine/tenant/catalogue.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace verity::tenant {
namespace {

using log::TenantBody;

TenantBody create(std::uint64_t id, std::string_view name) {
  return {.action = TenantBody::Action::create, .id = {id}, .name = name};
}

TenantBody remove(std::uint64_t id, std::string_view name) {
  return {.action = TenantBody::Action::remove, .id = {id}, .name = name};
}

TEST(Catalogue, FindsByNameAndIdAndNeverReusesIds) {
  Catalogue catalogue;
  ASSERT_TRUE(catalogue.apply({2}, {100}, create(1, "acme")));
  ASSERT_TRUE(catalogue.apply({3}, {200}, create(2, "zeta")));
  EXPECT_EQ(catalogue.find("acme")->id, TenantId{1});
  EXPECT_EQ(catalogue.find(TenantId{2})->name, "zeta");
  EXPECT_EQ(catalogue.find(TenantId{2})->created_at, Timestamp{200});
  ASSERT_TRUE(catalogue.apply({4}, {300}, remove(1, "acme")));
  EXPECT_EQ(catalogue.find("acme"), nullptr);
  EXPECT_EQ(catalogue.find(TenantId{1}), nullptr);
  ASSERT_TRUE(catalogue.apply({5}, {400}, create(3, "acme")));
  EXPECT_EQ(catalogue.find("acme")->id, TenantId{3});
  EXPECT_EQ(catalogue.count(), 2u);
  EXPECT_EQ(catalogue.next_id(), TenantId{4});
}

TEST(Catalogue, RefusesEntriesThatDoNotFit) {
  Catalogue catalogue;
  ASSERT_TRUE(catalogue.apply({2}, {100}, create(1, "acme")));
  const auto before = catalogue;
  auto error_of = [&](const TenantBody& body) {
    const auto status = catalogue.apply({3}, {200}, body);
    EXPECT_EQ(status.error().code, ErrorCode::corrupt);
    return status.error().message;
  };
  EXPECT_EQ(error_of(create(3, "beta")), "tenant entry at position 3: id 3 is not the next one, 2");
  EXPECT_EQ(error_of(create(2, "acme")), "tenant entry at position 3: name 'acme' belongs to tenant 1");
  EXPECT_NE(error_of(create(2, "A")).find("is not allowed"), std::string::npos);
  EXPECT_EQ(error_of(remove(1, "beta")), "tenant entry at position 3: there is no tenant 1 called 'beta'");
  EXPECT_EQ(error_of(remove(2, "acme")), "tenant entry at position 3: there is no tenant 2 called 'acme'");
  EXPECT_EQ(catalogue, before);
}

RC_GTEST_PROP(Catalogue, SurvivesItsCheckpoint, ()) {
  Catalogue catalogue;
  const auto steps = *rc::gen::inRange(0, 40);
  for (int i = 0; i < steps; ++i) {
    const Position position{static_cast<std::uint64_t>(i) + 2};
    const auto name = "t" + std::to_string(*rc::gen::inRange(0, 8));
    const auto* tenant = catalogue.find(name);
    const auto body = tenant ? remove(tenant->id.value, name) : create(catalogue.next_id().value, name);
    RC_ASSERT(catalogue.apply(position, {i * 10}, body).has_value());
  }
  const auto bytes = catalogue.encode();
  const auto decoded = Catalogue::decode(bytes);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == catalogue);
  RC_ASSERT(!Catalogue::decode(ByteView(bytes).first(bytes.size() - 1)).has_value());

  auto flipped = bytes;
  const auto bit = *rc::gen::inRange<std::size_t>(0, bytes.size() * 8);
  flipped[bit / 8] ^= std::byte(1 << (bit % 8));
  if (const auto other = Catalogue::decode(flipped)) RC_ASSERT(other->encode() == flipped);
}

}  // namespace
}  // namespace verity::tenant
