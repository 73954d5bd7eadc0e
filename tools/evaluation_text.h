#pragma once

#include <string>

#include "agents/evaluate.h"

namespace lethe::tools {

/// What an evaluation found, for people: score with its interval, memories and spans per layer, speed.
std::string EvaluationText(const agents::Evaluation& evaluation);

}  // namespace lethe::tools
