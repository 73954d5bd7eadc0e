#include "tools/viewer/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tools/progress_table.h"

namespace lethe::tools {
namespace {

using agents::Chooser;
using agents::EpisodeStep;
using agents::LayerMemories;
using agents::PlayedEpisode;
using State = MemoryCell::State;

constexpr double kGhostSteps = 24;  // that an expired memory takes to fade
constexpr size_t kMostWords = 8;
constexpr int64_t kMostDead = 512;  // latest steps that are listed even when dead
constexpr double kDefaultRamp = 1;

int ViewOf(const envs::Spec& spec) { return static_cast<int>(std::lround(std::sqrt(spec.cells))); }

/// The tokens of an observation behind the cells, in words.
std::vector<std::string> CaptionsOf(const envs::Spec& spec, const std::vector<uint8_t>& observation) {
  std::vector<std::string> captions;
  for (size_t i = 2 * static_cast<size_t>(spec.cells); i < observation.size(); ++i) {
    const auto& token = spec.tokens[i];
    const std::string what = token.meaning.substr(0, token.meaning.find_first_of(":;"));
    const uint8_t value = observation[i];
    const bool has_name = value < token.values.size();
    if (has_name && token.values[value].empty()) continue;  // silence
    captions.push_back(fmt::format("{}: {}", what, has_name ? token.values[value] : std::to_string(value)));
  }
  return captions;
}

/// Whole numbers as they are, others with four digits.
std::string Number(double x) {
  constexpr double kLargestWhole = 1e15;
  return x == std::floor(x) && std::abs(x) < kLargestWhole ? fmt::format("{:.0f}", x) : fmt::format("{:.4g}", x);
}

/// What was said lately: of tokens with a nameless first value (silence), the names of the latest others.
std::string HeardUntil(const PlayedEpisode& episode, int64_t step) {
  const auto& tokens = episode.spec().tokens;
  const auto speaks = [](const envs::TokenSpec& token) { return !token.values.empty() && token.values[0].empty(); };
  const auto token = std::ranges::find_if(tokens, speaks);
  if (token == tokens.end()) return "";
  const auto place = static_cast<size_t>(token - tokens.begin());
  std::vector<std::string> words;
  for (; step >= 0 && words.size() < kMostWords; --step) {
    const uint8_t value = episode.At(step).observation[place];
    if (value > 0 && value < token->values.size()) words.push_back(token->values[value]);
  }
  std::ranges::reverse(words);
  return words.empty() ? "" : fmt::format("heard: {}", fmt::join(words, " "));
}

/// The square that an observation shows.
envs::Picture SeenIn(const envs::Spec& spec, const std::vector<uint8_t>& observation) {
  const int side = ViewOf(spec);
  if (side == 0) return {};
  envs::Picture seen{side, side, {}, side / 2, side / 2};
  for (size_t i = 0; i < static_cast<size_t>(spec.cells); ++i)
    seen.cells.push_back({observation[2 * i], observation[2 * i + 1]});
  return seen;
}

double AttentionOf(const LayerMemories& layer, size_t i, int head) {
  const size_t count = layer.steps.size();
  const auto heads = static_cast<size_t>(layer.heads);
  if (head >= 0 && static_cast<size_t>(head) < heads) return layer.weights[static_cast<size_t>(head) * count + i];
  double sum = 0;
  for (size_t h = 0; h < heads; ++h) sum += layer.weights[h * count + i];
  return heads > 0 ? sum / static_cast<double>(heads) : 0;
}

/// What all cells of one layer of one step share.
struct LayerScale {
  double ramp, longest, strongest;
  double common;  // span of memories that predict none of their own
};

class AgentDescription {
 public:
  AgentDescription(Session& session, size_t seat, AgentView& view)
      : session_(session),
        seat_(session.seats()[seat]),
        number_(seat),
        episode_(session.episode(seat)),
        step_(session.StepOf(seat)),
        view_(view) {}

  void Describe() {
    const Player& player = *seat_.player;
    view_.name = player.name(), view_.status = player.status(episode_.policy());
    view_.problem = seat_.failure.empty() ? player.problem() : seat_.failure;
    view_.step = step_, view_.newest = seat_.newest();
    DescribeOutcome();
    DescribeBoard();
    DescribeLayers();
    DescribePolicy();
    DescribeTraining();
    view_.course = &seat_.course;
  }

  /// Places of memories to be marked on the board.
  void MarkOnBoard(int64_t step, const std::string& text) {
    const envs::Picture& then = episode_.At(step).picture;
    const envs::Picture& now = view_.board.picture;
    if (then.empty() || then.agent_row < 0) return;
    const int column = then.agent_column + then.first_column - now.first_column;
    if (then.agent_row >= now.rows) return;
    view_.board.marks.push_back({then.agent_row, column, text});
  }

  std::optional<MemoryDetail> Detail(const MemoryPlace& place) {
    const auto layer = static_cast<size_t>(place.layer);
    if (place.step >= step_) return std::nullopt;  // not a memory yet
    const EpisodeStep& made = episode_.At(place.step);
    MemoryDetail detail;
    detail.place = place;
    if (layer < made.spans.size()) detail.span = made.spans[layer];
    detail.remaining = detail.span.value_or(0) - static_cast<double>(step_ - place.step);
    detail.seen = SeenIn(episode_.spec(), made.observation);
    detail.captions = CaptionsOf(episode_.spec(), made.observation);
    if (made.action >= 0) detail.action = episode_.spec().action_names[static_cast<size_t>(made.action)];
    detail.reward = made.reward;
    const auto& layers = session_.MemoriesOf(number_);
    if (layer < layers.size()) AddAttention(layers[layer], detail);
    return detail;
  }

 private:
  void AddAttention(const LayerMemories& layer, MemoryDetail& detail) const {
    const auto found = std::ranges::lower_bound(layer.steps, detail.place.step);
    if (found == layer.steps.end() || *found != detail.place.step) return;
    const auto i = static_cast<size_t>(found - layer.steps.begin());
    detail.span = layer.spans[i];
    detail.remaining = layer.spans[i] - static_cast<double>(step_ - detail.place.step);
    detail.state = layer.masks[i] < 1 ? State::kOnRamp : State::kLiving;
    for (size_t h = 0; h < static_cast<size_t>(layer.heads); ++h)
      detail.attention.push_back(layer.weights[h * layer.steps.size() + i]);
  }

  void DescribeOutcome() {
    view_.has_outcome = episode_.ended() && step_ == episode_.newest();
    if (!view_.has_outcome) {
      view_.outcome = fmt::format("step {}   return {}", step_, Number(episode_.return_until(step_)));
      return;
    }
    const envs::Spec& spec = episode_.spec();
    view_.outcome = fmt::format("{}: score {} ({})", episode_.terminated() ? "ended" : "out of time",
                                Number(episode_.score()), spec.score_metric);
    for (size_t i = 0; i < spec.metric_names.size(); ++i)
      if (spec.metric_names[i] != spec.score_metric)
        view_.outcome += fmt::format("  {} {}", spec.metric_names[i], Number(episode_.metrics()[i]));
  }

  void DescribeBoard() {
    const EpisodeStep& now = episode_.At(step_);
    BoardView& board = view_.board;
    board.picture = now.picture;
    board.view = ViewOf(episode_.spec());
    board.is_blind = session_.is_blind();
    board.flash = step_ > 0 ? episode_.At(step_ - 1).reward : 0;
    board.marks.clear();
    board.captions = CaptionsOf(episode_.spec(), now.observation);
    if (const std::string heard = HeardUntil(episode_, step_); !heard.empty()) board.captions.push_back(heard);
  }

  void DescribeLayers() {
    const auto& memories = session_.MemoriesOf(number_);
    view_.layers.resize(memories.size());
    view_.layers_note = "";
    if (memories.empty())
      view_.layers_note = episode_.policy() ? "This memory is not made of steps: there is nothing to show of it."
                                            : "No policy plays here: nothing is remembered.";
    for (size_t l = 0; l < memories.size(); ++l) DescribeLayer(memories[l], l, view_.layers[l]);
  }

  void DescribeLayer(const LayerMemories& memories, size_t l, LayerView& layer) {
    const EpisodeStep& now = episode_.At(step_);
    layer.living = static_cast<int64_t>(memories.steps.size());
    layer.bytes_per_memory = episode_.BytesPerMemory();
    layer.new_span = l < now.spans.size() ? std::optional(now.spans[l]) : std::nullopt;
    const LayerScale scale = ScaleOf(memories);
    layer.cells.clear();
    // Of memories dead for long only living ones in between are worth their place.
    const int64_t first_dead = session_.only_living() ? step_ : std::max<int64_t>(0, step_ - kMostDead);
    size_t next = 0;  // of the living
    for (; next < memories.steps.size() && memories.steps[next] < first_dead; ++next)
      layer.cells.push_back(LivingCell(memories, next, scale));
    layer.left_out = session_.only_living() ? 0 : first_dead - static_cast<int64_t>(next);
    for (int64_t step = first_dead; step < step_; ++step) {
      const size_t first = next;  // a step may live twice: as it was, and compressed
      for (; next < memories.steps.size() && memories.steps[next] == step; ++next)
        layer.cells.push_back(LivingCell(memories, next, scale));
      if (next == first) layer.cells.push_back(DeadCell(step, l, scale));
    }
    Sort(layer.cells);
  }

  LayerScale ScaleOf(const LayerMemories& memories) const {
    LayerScale scale{Ramp(), seat_.longest_span, 0, 0};
    for (size_t i = 0; i < memories.steps.size(); ++i) {
      scale.strongest = std::max(scale.strongest, AttentionOf(memories, i, session_.head()));
      scale.longest = std::max(scale.longest, memories.spans[i]);
    }
    if (!memories.spans.empty()) scale.common = std::ranges::min(memories.spans);
    return scale;
  }

  MemoryCell LivingCell(const LayerMemories& memories, size_t i, const LayerScale& scale) const {
    MemoryCell cell;
    cell.step = memories.steps[i];
    cell.state = memories.masks[i] < 1 ? State::kOnRamp : State::kLiving;
    cell.attention = AttentionOf(memories, i, session_.head());
    cell.remaining = memories.spans[i] - static_cast<double>(step_ - cell.step);
    cell.brightness = scale.strongest > 0 ? std::sqrt(cell.attention / scale.strongest) : 0;
    cell.warmth = std::log1p(std::max(0.0, cell.remaining)) / std::log1p(std::max(1.0, scale.longest));
    cell.is_cue = episode_.At(cell.step).is_cue;
    return cell;
  }

  MemoryCell DeadCell(int64_t step, size_t l, const LayerScale& scale) const {
    const EpisodeStep& made = episode_.At(step);
    MemoryCell cell;
    cell.step = step;
    cell.is_cue = made.is_cue;
    const double span = l < made.spans.size() ? made.spans[l] : scale.common;
    cell.remaining = std::min(0.0, span - static_cast<double>(step_ - step));
    const double since = -cell.remaining - scale.ramp;
    cell.ghost = std::clamp(1 - since / kGhostSteps, 0.0, 1.0);
    return cell;
  }

  double Ramp() const { return episode_.policy() ? episode_.policy()->options->memory.options->Ramp() : kDefaultRamp; }

  void Sort(std::vector<MemoryCell>& cells) const {
    if (session_.order() == MemoryOrder::kSpan)
      std::ranges::stable_sort(cells, std::ranges::greater(), &MemoryCell::remaining);
    if (session_.order() == MemoryOrder::kAttention)
      std::ranges::stable_sort(cells, std::ranges::greater(), &MemoryCell::attention);
  }

  void DescribePolicy() {
    PolicyView& policy = view_.policy;
    const EpisodeStep& now = episode_.At(step_);
    policy.actions = episode_.spec().action_names;
    policy.probabilities = now.probabilities;
    policy.action = now.action;
    policy.value_now = now.value;
    policy.entropy_now = seat_.course.entropy.empty() ? 0 : seat_.course.entropy[static_cast<size_t>(step_)];
  }

  void DescribeTraining() {
    TrainingView& training = view_.training;
    training.env_steps.clear(), training.score.clear(), training.living.clear();
    const auto* progress = seat_.player->progress();
    if (!progress) return;
    for (const ProgressPoint& point : *progress) {
      training.env_steps.push_back(point.env_steps);
      training.score.push_back(point.score);
      training.living.resize(std::max(training.living.size(), point.living.size()));
      for (size_t l = 0; l < point.living.size(); ++l) training.living[l].push_back(point.living[l]);
    }
  }

  Session& session_;
  const Session::Seat& seat_;
  const size_t number_;  // of the seat
  PlayedEpisode& episode_;
  const int64_t step_;
  AgentView& view_;
};

std::string ChoiceText(const Session& session) {
  if (session.is_replay()) return "replay";
  if (session.is_person()) return "you act";
  switch (session.chooser()) {
    case Chooser::kSample:
      return "sample";
    case Chooser::kGreedy:
      return "greedy";
    case Chooser::kOracle:
      return "oracle";
    case Chooser::kRandom:
      return "random";
  }
  return "";
}

std::string PaceText(const Session& session) {
  const double pace = session.steps_per_second();
  return std::isinf(pace) ? "unlimited" : fmt::format("{:.4g} steps/s", pace);
}

std::vector<Frame::Way> WaysOfMemories(const Session& session) {
  constexpr const char* kOrders[] = {"by time", "by span", "by attention"};
  return {{session.head() < 0 ? "mean of heads" : fmt::format("head {}", session.head() + 1), Control::kHead},
          {kOrders[static_cast<int>(session.order())], Control::kOrder},
          {session.only_living() ? "living only" : "all", Control::kOnlyLiving}};
}

}  // namespace

void Describe(Session& session, Point pointer, Frame& frame) {
  frame.agents.resize(session.seats().size());
  frame.step = session.step(), frame.newest = session.newest();
  frame.environment = session.seats()[0].player->env_id();
  frame.place = fmt::format("seed {}, episode {}", session.seed(), session.number());
  frame.pace = PaceText(session);
  frame.choice = ChoiceText(session);
  frame.memories = WaysOfMemories(session);
  frame.order = session.order();
  frame.is_person = session.is_person();
  frame.zoom = session.zoom();
  frame.shows_help = session.shows_help();
  frame.pointer = pointer;
  frame.hovered.reset(), frame.selected.reset();
  for (size_t i = 0; i < frame.agents.size(); ++i) {
    AgentDescription agent(session, i, frame.agents[i]);
    agent.Describe();
    const auto detail = [&](const std::optional<MemoryPlace>& place, std::optional<MemoryDetail>& to) {
      if (!place || place->agent != static_cast<int>(i)) return;
      to = agent.Detail(*place);
      if (to) agent.MarkOnBoard(place->step, fmt::format("{}", place->step));
    };
    detail(session.selected(), frame.selected);
    if (session.hovered() != session.selected()) detail(session.hovered(), frame.hovered);
    if (session.hovered() && session.hovered() == session.selected() && session.hovered()->agent == static_cast<int>(i))
      frame.hovered = frame.selected;
  }
  // Last: what cannot be described pauses, and becomes the note.
  frame.note = session.note();
  frame.is_playing = session.is_playing() && !session.is_person();
}

}  // namespace lethe::tools
