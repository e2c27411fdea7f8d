#include "net/http/append_body.h"

#include "net/http/json_check.h"

#include <gtest/gtest.h>

namespace verity::http {
namespace {

class AppendBody : public ::testing::Test {
 protected:
  std::string fault(std::string_view body, EventFormat format = EventFormat::json) {
    auto list = parse_events(checker_, body, format);
    return list ? "none" : list.error().detail;
  }
  std::string streams_fault(std::string_view body) {
    auto list = parse_streams(checker_, body);
    return list ? "none" : list.error().detail;
  }
  JsonChecker checker_;
};

TEST_F(AppendBody, KeepsDataAndMetadataExactly) {
  const std::string body = R"( [ {"type":"a","data": {"x" : 1.50,"x":2,"big":123456789012345678901234567890} ,
      "metadata":{ "k" :"\u00e9"},"id":"i-1","subject":"p\u002d1","expected_subject_revision":"none"} ,
      {"data":"text","type":"caf\u00e9","subject":"s","expected_subject_revision":18446744073709551615} ] )";
  auto list = parse_events(checker_, body, EventFormat::json);
  ASSERT_TRUE(list) << list.error().detail;
  ASSERT_EQ(list->events.size(), 2u);
  const node::NewEvent& first = list->events[0];
  EXPECT_EQ(first.type, "a");
  EXPECT_EQ(first.data, R"({"x" : 1.50,"x":2,"big":123456789012345678901234567890})");
  EXPECT_EQ(first.metadata, R"({ "k" :"\u00e9"})");
  EXPECT_EQ(first.id, "i-1");
  EXPECT_EQ(first.subject, "p-1");
  EXPECT_EQ(first.subject_expected.describe(), "none");
  const node::NewEvent& second = list->events[1];
  EXPECT_EQ(second.data, "\"text\"");
  EXPECT_EQ(second.type, "café");
  EXPECT_EQ(second.subject_expected.describe(), "18446744073709551615");
}

TEST_F(AppendBody, TextsSurviveAMove) {
  const std::string body = R"([{"type":"\u0061","data":1},{"type":"\u0062","data":1}])";
  auto list = parse_events(checker_, body, EventFormat::json);
  ASSERT_TRUE(list);
  const EventList moved = std::move(*list);
  EXPECT_EQ(moved.events[0].type, "a");
  EXPECT_EQ(moved.events[1].type, "b");
}

TEST_F(AppendBody, NamesEventAndKey) {
  EXPECT_EQ(
      fault(R"([{"type":"a","data":1},{"type":"a","data":1,"date":2}])"),
      "event 1: unknown key \"date\"; allowed: type, data, metadata, id, subject, expected_subject_revision");
  EXPECT_EQ(fault(R"([{"type":"a","\u0074ype":"b","data":1}])"),
            "event 0: the key \"type\" stands there twice");
  EXPECT_EQ(fault(R"({"data":1})"), "event 0: the key \"type\" is missing");
  EXPECT_EQ(fault(R"({"type":7,"data":1})"), "event 0: \"type\" is a number 7; allowed: a string");
  EXPECT_EQ(fault(R"({"type":"","data":1})"), "event 0: \"type\" is empty; allowed: at least one character");
  EXPECT_EQ(fault(R"({"type":"a","data":1,"metadata":[]})"),
            "event 0: \"metadata\" is an array; allowed: an object");
  EXPECT_EQ(fault(R"({"type":"a","data":1,"id":null})"), "event 0: \"id\" is null; allowed: a string");
  EXPECT_EQ(fault(R"({"type":"a","data":1,"expected_subject_revision":1})"),
            "event 0: \"expected_subject_revision\" needs a \"subject\"");
  EXPECT_EQ(
      fault(R"({"type":"a","data":1,"subject":"s","expected_subject_revision":-1})"),
      "event 0: \"expected_subject_revision\" is a number -1; allowed: a revision 0..18446744073709551615, "
      "\"none\", \"exists\" or \"any\"");
  EXPECT_EQ(fault("[1]"), "event 0 is a number; allowed: an object");
  EXPECT_EQ(fault("7"), "event 0 is a number; allowed: an object");
  EXPECT_EQ(fault(""), "the body is empty; allowed: one event or an array of events");
  EXPECT_EQ(fault("[]"), "the body has no events");
  EXPECT_EQ(fault("\n \n", EventFormat::ndjson), "the body has no events");
  EXPECT_EQ(fault("{\"type\":\"a\",\"data\":1}\n\n{\"type\":\"a\"}", EventFormat::ndjson),
            "line 3: the key \"data\" is missing");
}

TEST_F(AppendBody, DepthIsCountedFromTheData) {
  const auto body = [](std::size_t depth) {
    return R"({"type":"a","data":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_EQ(fault(body(event_depth_max)), "none");
  EXPECT_EQ(fault("[" + body(event_depth_max) + "]"), "none");
  EXPECT_EQ(fault(body(event_depth_max), EventFormat::ndjson), "none");
  EXPECT_EQ(streams_fault(R"({"streams":[{"stream":"s","events":[)" + body(event_depth_max) + "]}]}"),
            "none");
  EXPECT_TRUE(fault(body(event_depth_max + 1)).ends_with(": arrays and objects nest deeper than 128 levels"));
  EXPECT_TRUE(fault("[" + body(event_depth_max + 1) + "]")
                  .ends_with(": arrays and objects nest deeper than 128 levels"));
  EXPECT_TRUE(fault(body(event_depth_max + 1), EventFormat::ndjson)
                  .ends_with(": arrays and objects nest deeper than 128 levels"));
  EXPECT_NE(streams_fault(R"({"streams":[{"stream":"s","events":[)" + body(event_depth_max + 1) + "]}]}"),
            "none");
}

TEST_F(AppendBody, HasALimitOnEvents) {
  std::string body = "[";
  for (std::size_t i = 0; i <= events_per_request_max; ++i) body += R"({"type":"a","data":1},)";
  body.back() = ']';
  auto list = parse_events(checker_, body, EventFormat::json);
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().status, 413);
  EXPECT_EQ(list.error().detail, "the request has more than 100000 events; send them in several requests");
}

TEST_F(AppendBody, SeveralStreams) {
  const std::string body =
      R"({"streams":[{"events":[{"type":"a","data":1}],"stream":"s\u0031","expected_revision":3},
                     {"stream":"t","events":[{"type":"b","data":2},{"type":"c","data":3}]}]})";
  auto list = parse_streams(checker_, body);
  ASSERT_TRUE(list) << list.error().detail;
  ASSERT_EQ(list->streams.size(), 2u);
  EXPECT_EQ(list->streams[0].stream, "s1");
  EXPECT_EQ(list->streams[0].expected.describe(), "3");
  EXPECT_EQ(list->streams[1].events[1].data, "3");

  EXPECT_EQ(streams_fault("[]"), "the body is an array; allowed: {\"streams\":[…]}");
  EXPECT_EQ(streams_fault("{}"), "the body: the key \"streams\" is missing");
  EXPECT_EQ(streams_fault(R"({"streams":[]})"), "the body: \"streams\" is empty");
  EXPECT_EQ(streams_fault(R"({"streams":[],"x":1})"), "the body: unknown key \"x\"; allowed: streams");
  EXPECT_EQ(streams_fault(R"({"streams":[{"stream":"s"}]})"), "stream 0: the key \"events\" is missing");
  EXPECT_EQ(streams_fault(R"({"streams":[{"stream":"s","events":[]}]})"), "stream 0: \"events\" is empty");
  EXPECT_EQ(streams_fault(R"({"streams":[{"stream":"s","events":{}}]})"),
            "stream 0: \"events\" is an object; allowed: an array of events");
  EXPECT_EQ(streams_fault(R"({"streams":[{"stream":"s","events":[{"type":"a","data":1},{"type":"a"}]}]})"),
            "stream 0, event 1: the key \"data\" is missing");
}

TEST_F(AppendBody, CloudEvents) {
  const std::string body =
      R"({"specversion":"1.0","type":"com.example.moved","source":"/ward/7","id":"A-1","time":"2024-01-15T10:30:00Z",
          "subject":"p-1","datacontenttype":"application/json","traceparent" : "00-\u0061","sampled":true,
          "data":{"bed": 7.0}})";
  auto list = parse_events(checker_, body, EventFormat::cloud_event);
  ASSERT_TRUE(list) << list.error().detail;
  const node::NewEvent& event = list->events[0];
  EXPECT_EQ(event.type, "com.example.moved");
  EXPECT_EQ(event.id, "A-1");
  EXPECT_EQ(event.subject, "p-1");
  EXPECT_EQ(event.data, R"({"bed": 7.0})");
  EXPECT_EQ(event.metadata,
            R"({"specversion":"1.0","source":"/ward/7","time":"2024-01-15T10:30:00Z",)"
            R"("datacontenttype":"application/json","traceparent":"00-\u0061","sampled":true})");

  const auto cloud_fault = [&](std::string_view text) { return fault(text, EventFormat::cloud_event); };
  EXPECT_EQ(cloud_fault(R"({"specversion":"1.0","type":"t","id":"1"})"),
            "event 0: the attribute \"source\" is missing; CloudEvents 1.0 requires it");
  EXPECT_EQ(cloud_fault(R"({"specversion":"0.3","type":"t","id":"1","source":"s"})"),
            "event 0: \"specversion\" is \"0.3\"; allowed: \"1.0\"");
  EXPECT_NE(cloud_fault(R"({"specversion":"1.0","type":"t","id":"1","source":"s","data_base64":"AA=="})")
                .find("is not supported, because data is kept as the JSON text"),
            std::string::npos);
  EXPECT_EQ(cloud_fault(R"({"specversion":"1.0","type":"t","id":"1","source":"s","x":{}})"),
            "event 0: \"x\" is an object; allowed: a string, a number, a boolean or null");
  EXPECT_EQ(cloud_fault(R"({"specversion":"1.0","type":"t","id":"1","source":"s","x":1,"x":2})"),
            "event 0: the attribute \"x\" stands there twice");
  EXPECT_EQ(cloud_fault(R"({"specversion":"1.0","type":"t","id":"1","source":"s","My-Ext":1})"),
            "event 0: \"My-Ext\" is not an attribute name; allowed: a-z and 0-9");
  EXPECT_EQ(fault(R"({"specversion":"1.0"})", EventFormat::cloud_event_batch),
            "the body is an object; allowed for application/cloudevents-batch+json: an array");
  EXPECT_EQ(cloud_fault("[]"), "event 0 is an array; allowed: an object");
  auto no_data = parse_events(checker_, R"([{"specversion":"1.0","type":"t","id":"1","source":"s"}])",
                              EventFormat::cloud_event_batch);
  ASSERT_TRUE(no_data);
  EXPECT_EQ(no_data->events[0].data, "null");
}

TEST(EventFormat, OfContentTypes) {
  EXPECT_EQ(parse_event_format("application/json"), EventFormat::json);
  EXPECT_EQ(parse_event_format("Application/JSON ; charset=UTF-8"), EventFormat::json);
  EXPECT_EQ(parse_event_format("application/x-ndjson"), EventFormat::ndjson);
  EXPECT_EQ(parse_event_format("application/cloudevents+json"), EventFormat::cloud_event);
  EXPECT_EQ(parse_event_format("application/cloudevents-batch+json"), EventFormat::cloud_event_batch);
  for (const char* text : {"", "application/jsonp", "text/json", "application/json; charset=latin1", ";"}) {
    EXPECT_FALSE(parse_event_format(text)) << text;
  }
}

}  // namespace
}  // namespace verity::http
