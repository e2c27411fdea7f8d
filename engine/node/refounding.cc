#include "engine/node/refounding.h"

namespace verity::node {
namespace {

std::string ids(const consensus::MemberSet& members) {
  std::string text;
  for (const consensus::Member& member : members) text += (text.empty() ? "" : ", ") + member.id.describe();
  return text.empty() ? "none" : text;
}

std::string range(Position first, Position last) {
  return first >= last ? "position " + first.describe()
                       : "positions " + first.describe() + " to " + last.describe();
}

}  // namespace

std::vector<std::string> Refounding::sentences() const {
  std::vector<std::string> all;
  all.push_back("--force-recover: this node founded the epoch " + epoch.describe() + " at position " +
                at.describe() + ", " + founded_at.describe() + ", and is its only member. The epoch " +
                epoch_before.describe() + " of the nodes " + ids(members_before) +
                " is over; of these answered: " + ids(answered));
  all.push_back("kept: " + range(Position{1}, kept()) + "; up to " + confirmed.describe() +
                " that is what was committed");
  if (kept() > confirmed) {
    all.push_back(
        "UNCONFIRMED, kept: " + range(confirmed.next(), kept()) +
        "; whether this was acknowledged, or something else in its place, nobody can tell from here");
  }
  const std::string knew =
      "node " + heard_from.describe() + " knew everything up to " + heard.describe() + " to be committed";
  if (contradicted) {
    all.push_back("LOST: of " + range(confirmed.next(), heard) + " what was committed; " + knew +
                  ", and this node held other entries there");
  } else if (heard > kept()) {
    all.push_back("LOST: " + range(at, heard) + "; " + knew + ", and this node does not hold it");
  } else if (heard > confirmed) {
    all.push_back("MAYBE LOST: of " + range(confirmed.next(), heard) + " what was committed; " + knew +
                  ", and not which entries");
  } else if (heard.value > 0) {
    all.push_back(knew + "; this node holds that");
  }
  if (unknown_from) {
    all.push_back("MAYBE LOST: what this node acknowledged from position " + unknown_from->describe() +
                  " on; its log was found damaged there");
  }
  all.push_back("MAYBE LOST: whatever was acknowledged beyond position " + confirmed.describe() +
                " and is not what this node holds; from here nobody can tell what that is");
  return all;
}

}  // namespace verity::node
