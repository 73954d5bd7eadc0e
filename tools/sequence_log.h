#pragma once

#include <nlohmann/json.hpp>

#include "agents/sequence_trainer.h"
#include "tools/progress_table.h"

namespace lethe::tools {

/// One line of metrics.jsonl. Units stand in the names; lists have one entry per layer; scores of the valid split begin
/// with "valid_".
nlohmann::ordered_json MetricsLine(const agents::SequenceStatus& status);

/// What a person sees of it. total_seconds: the limit on wall time, 0: none.
ProgressLine MakeProgressLine(const agents::SequenceStatus& status, double total_seconds);

/// What an evaluation found, for a person.
std::string EvaluationText(const agents::SequenceEvaluation& evaluation);

}  // namespace lethe::tools
