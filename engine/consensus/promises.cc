#include "engine/consensus/promises.h"

namespace verity::consensus {

std::string Promises::describe() const {
  return "view=" + view.describe() + " primary=" + (primary ? primary->describe() : "-") +
         " log_view=" + log_view.describe() + " unknown=" + (unknown_from ? unknown_from->describe() : "-");
}

}  // namespace verity::consensus
