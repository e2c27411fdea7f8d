#include "engine/consensus/step.h"

namespace verity::consensus {
namespace {

std::string list(const std::vector<EntryInfo>& entries) {
  std::string text = "[";
  for (const EntryInfo& entry : entries) text += (text.size() > 1 ? ", " : "") + entry.describe();
  return text + "]";
}

struct DescribeInput {
  std::string operator()(const Receive& i) const {
    return "receive from " + i.from.describe() + ": " + describe(i.message);
  }
  std::string operator()(const Propose& i) const { return "propose " + list(i.entries); }
  std::string operator()(const LogDurable& i) const {
    return "log durable " + i.position.describe() + " generation=" + std::to_string(i.generation);
  }
  std::string operator()(const PromisesSaved& i) const {
    return "promises saved " + std::to_string(i.number);
  }
  std::string operator()(const HeartbeatDue&) const { return "heartbeat due"; }
  std::string operator()(const Silence&) const { return "silence"; }
  std::string operator()(const Confirm& i) const { return "confirm " + std::to_string(i.token); }
  std::string operator()(const HandOver& i) const { return "hand over to " + i.to.describe(); }
  std::string operator()(const Admit& i) const { return "admit " + i.learner.describe(); }
  std::string operator()(const Forget& i) const { return "forget " + i.member.describe(); }
};

struct DescribeEffect {
  std::string operator()(const Send& e) const { return "to " + e.to.describe() + ": " + describe(e.message); }
  std::string operator()(const SavePromises& e) const { return "save " + e.promises.describe(); }
  std::string operator()(const AppendLog& e) const { return "append " + list(e.entries); }
  std::string operator()(const ReplaceLog& e) const {
    return "replace from " + e.first.describe() + " " + list(e.entries);
  }
  std::string operator()(const Committed& e) const { return "committed " + e.position.describe(); }
  std::string operator()(const BecamePrimary& e) const {
    return "leads view " + e.view.describe() + ", serves from " + e.serve_from.describe();
  }
  std::string operator()(const BecameBackup& e) const {
    return "follows " + e.primary.describe() + " in view " + e.view.describe();
  }
  std::string operator()(const LostPrimary& e) const { return "has no primary in view " + e.view.describe(); }
  std::string operator()(const HeardPrimary&) const { return "heard the primary"; }
  std::string operator()(const Confirmed& e) const { return "confirmed " + std::to_string(e.token); }
  std::string operator()(const Unconfirmed& e) const { return "unconfirmed " + std::to_string(e.token); }
  std::string operator()(const ProposeSettled&) const { return "the change may be settled"; }
  std::string operator()(const Removed& e) const { return "is removed, settled by " + e.settled.describe(); }
  std::string operator()(const Ignored& e) const {
    return "ignored " + std::string(e.message) + " from " + e.from.describe() + ": " + std::string(e.reason);
  }
};

}  // namespace

std::string describe(const Input& input) {
  return std::visit(DescribeInput{}, input);
}

std::string describe(const Effect& effect) {
  return std::visit(DescribeEffect{}, effect);
}

}  // namespace verity::consensus
