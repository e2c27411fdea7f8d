// A model cluster as bytes: states that behave alike give the same bytes, all others different ones. For remembering which
// states were seen.
//
//   - What only counts is replaced by what is compared: heartbeat rounds by their rank among those of their view, save
//     numbers and generations by their distance from the newest.
//   - Messages are a multiset; one to a disk that is gone may reach the new one.
//   - Nodes may be renamed: of nodes that differ in nothing but their id, whichever name gives the smallest bytes counts.
//
// Each structure is taken apart by name, so that a new field does not compile before it is dealt with here.
#pragma once

#include "engine/consensus/testing/model_cluster.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace verity::consensus::testing {

// The new id of each id.
using Renaming = std::array<std::uint8_t, node_ids_max + 1>;
Renaming no_renaming();

class Canonical {
 public:
  explicit Canonical(const Renaming& names = no_renaming()) : names_(names) {}

  // The bytes live until the next call.
  const std::string& cluster(const ModelCluster& cluster);
  // One node alone, disk and writes under way included, with rounds as they are: to see whether anything changed.
  const std::string& node(const ModelCluster& cluster, NodeId id);
  const std::string& message(const Envelope& envelope);

 private:
  void begin(const ModelCluster& cluster);
  void number(std::uint64_t value);
  void round(View view, std::uint64_t value);
  void hash(const Sha256Digest& value);
  void member(const Member& value);
  void set(const MemberSet& value);
  void members(std::vector<std::pair<std::uint8_t, std::string>>& parts);
  void entry(const EntryInfo& value);
  template <class Entries>
  void entries(const Entries& value);
  void range(const EntryRange& value);
  template <class T, class Put>
  void optional(const std::optional<T>& value, Put put);
  void promises(const Promises& value);
  void journal(const Journal& value);
  void replica(const Replica& value);
  void envelope(const Envelope& value);
  void content(const Prepare& m);
  void content(const PrepareOk& m);
  void content(const Heartbeat& m);
  void content(const Suspect& m);
  void content(const Vote& m);
  void content(const StartView& m);
  void content(const AskStartView& m);
  void content(const NewerView& m);
  void content(const Fetch& m);
  void content(const Fetched& m);
  void content(const TakeOver& m);
  void content(const AskLog& m);
  void content(const WholeLog& m);
  void content(const Heard& m);
  std::uint8_t name(const Member& value) const;
  void node_of(const ModelCluster& cluster, std::size_t index);

  const Renaming names_;
  std::vector<std::pair<View, std::uint64_t>> rounds_;  // in use, sorted
  bool raw_ = false;
  std::string out_;
};

}  // namespace verity::consensus::testing
