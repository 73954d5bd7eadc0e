#include "tools/viewer/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <random>

#include "agents/episode_file.h"
#include "tools/user_error.h"

namespace lethe::tools {
namespace {

using agents::Chooser;

constexpr double kStepsPerSecond = 8;  // at speed 1
constexpr double kSlowest = 1.0 / 8, kFastest = 64;
constexpr double kRestSeconds = 1.5;  // at the end of an episode
constexpr double kNoteSeconds = 6;
constexpr double kLargestZoom = 4, kSmallestZoom = 0.5;
constexpr int64_t kLargestNumber = 0xFFFFFFFF;
constexpr size_t kMostDigits = 15;  // a seed is below 9e15

/// In nats.
double Entropy(const std::vector<float>& probabilities) {
  double entropy = 0;
  for (const double p : probabilities)
    if (p > 0) entropy -= p * std::log(p);
  return entropy;
}

/// A name that is not taken: episode_1.safetensors, episode_2.safetensors ...
std::string FreeName() {
  for (int i = 1;; ++i) {
    std::string name = fmt::format("episode_{}.safetensors", i);
    if (!std::filesystem::exists(name)) return name;
  }
}

}  // namespace

Session::Session(std::vector<std::unique_ptr<Player>> players) {
  for (auto& player : players) seats_.push_back({std::move(player), nullptr, {}});
  const Player& first = *seats_[0].player;
  chooser_ = first.has_policy() ? Chooser::kSample : Chooser::kOracle;
  seed_ = first.first_seed(), number_ = first.first_number();
  for (Seat& seat : seats_) {
    seat.episode = seat.player->Begin(seed_, number_);
    Note(seat);
  }
}

int64_t Session::newest() const {
  int64_t newest = 0;
  for (const Seat& seat : seats_) newest = std::max(newest, seat.newest());
  return newest;
}

bool Session::has_ended() const {
  return std::ranges::all_of(seats_, [](const Seat& seat) {
    const auto* recorded = seat.player->Recorded();
    const bool is_played = recorded && seat.newest() >= static_cast<int64_t>(recorded->size());
    return seat.episode->ended() || is_played || !seat.failure.empty();
  });
}

bool Session::moves() const {
  const bool is_at_end = has_ended() && step_ >= newest();
  return plays_to_end_ || (is_playing_ && !is_person() && !(is_at_end && is_replay()));
}

double Session::seconds_to_next_step() const {
  return plays_to_end_ ? 0 : std::max(0.0, (1 - due_) / steps_per_second());
}

bool Session::is_person() const { return seats_[0].player->is_person(); }

bool Session::is_replay() const {
  return std::ranges::any_of(seats_, [](const Seat& seat) { return seat.player->Recorded() != nullptr; });
}

double Session::steps_per_second() const {
  return is_unlimited_ ? std::numeric_limits<double>::infinity() : speed_ * kStepsPerSecond;
}

void Session::SetSpeed(double steps_per_second) {
  is_unlimited_ = std::isinf(steps_per_second);
  if (!is_unlimited_) speed_ = steps_per_second / kStepsPerSecond;
}

std::string Session::note() const {
  if (typed_) return fmt::format("{}: {}_   (Return: go, Escape: leave)", types_action_ ? "action" : "seed", *typed_);
  return note_seconds_ < kNoteSeconds ? note_ : "";
}

void Session::Begin(uint64_t seed, uint64_t number) {
  std::vector<std::unique_ptr<agents::PlayedEpisode>> episodes;
  try {
    for (Seat& seat : seats_) {
      seat.player->Poll();
      episodes.push_back(seat.player->Begin(seed, number));
    }
  } catch (const std::exception& error) {
    return Say(FirstLine(error.what()));
  }
  for (size_t i = 0; i < seats_.size(); ++i) {
    seats_[i].episode = std::move(episodes[i]);
    seats_[i].course = {};
    seats_[i].longest_span = 1;
    seats_[i].failure = "";
    Note(seats_[i]);
  }
  seed_ = seed, number_ = number;
  step_ = 0, due_ = 0, rested_ = 0;
  plays_to_end_ = false;
  hovered_.reset(), selected_.reset();
}

void Session::Note(Seat& seat) {
  const int64_t newest = seat.episode->newest();
  const agents::EpisodeStep& step = seat.episode->At(newest);
  Course& course = seat.course;
  for (const double span : step.spans) seat.longest_span = std::max(seat.longest_span, span);
  if (newest > 0) {
    course.reward.push_back(seat.episode->At(newest - 1).reward);
    if (course.reward.back() != 0) course.rewards.push_back(newest);
  }
  if (step.is_cue) course.cues.push_back(newest);
  course.living.resize(step.living.size());
  for (size_t l = 0; l < step.living.size(); ++l) course.living[l].push_back(static_cast<float>(step.living[l]));
  course.spans.resize(step.spans.size());
  for (size_t l = 0; l < step.spans.size(); ++l) course.spans[l].push_back(static_cast<float>(step.spans[l]));
  if (step.probabilities.empty()) return;
  course.value.push_back(step.value);
  course.entropy.push_back(static_cast<float>(Entropy(step.probabilities)));
}

bool Session::Take(Seat& seat) {
  agents::PlayedEpisode& episode = *seat.episode;
  if (episode.ended() || !seat.failure.empty()) return false;
  const auto now = static_cast<size_t>(seat.newest());
  if (const auto* recorded = seat.player->Recorded()) {
    if (now >= recorded->size()) return false;
    Take(seat, (*recorded)[now]);
  } else {
    const bool needs_policy = chooser_ == Chooser::kSample || chooser_ == Chooser::kGreedy;
    Take(seat, episode.Choose(needs_policy && !episode.policy() ? Chooser::kOracle : chooser_));
  }
  return true;
}

void Session::Take(Seat& seat, int action) {
  try {
    seat.episode->Take(action);
  } catch (const std::exception& error) {
    seat.failure = FirstLine(error.what());
    throw;
  }
  Note(seat);
}

bool Session::PlayStep() {
  bool played = false;
  for (Seat& seat : seats_)
    if (step_ >= seat.newest() && Take(seat)) played = true;
  if (played || step_ < newest()) {
    ++step_;
    return true;
  }
  return false;
}

void Session::Act(int action) {
  if (!is_person()) return;
  if (has_ended() && step_ == newest()) return Begin(seed_, number_ + 1);
  if (step_ < newest()) return Say("this step is played already; End goes to the newest one");
  try {
    for (Seat& seat : seats_) Take(seat, action);
    ++step_;
  } catch (const std::exception& error) {
    StopAt(error);
  }
}

void Session::Advance(double seconds, const std::function<bool()>& may_go_on) {
  note_seconds_ += seconds;
  try {
    for (Seat& seat : seats_) seat.player->Poll();
    PlayOn(seconds, may_go_on);
  } catch (const std::exception& error) {
    StopAt(error);
  }
}

void Session::StopAt(const std::exception& error) {
  is_playing_ = false, plays_to_end_ = false, due_ = 0;
  Say(FirstLine(error.what()));
}

const std::vector<agents::LayerMemories>& Session::MemoriesOf(size_t seat) {
  static const std::vector<agents::LayerMemories> kNone;
  try {
    return seats_[seat].episode->MemoriesAt(StepOf(seat));
  } catch (const std::exception& error) {
    StopAt(error);
    return kNone;
  }
}

void Session::PlayOn(double seconds, const std::function<bool()>& may_go_on) {
  if (plays_to_end_) {
    while (PlayStep())
      if (!may_go_on()) return;
    plays_to_end_ = false;
    return;
  }
  if (!is_playing_ || is_person()) return;
  if (has_ended() && step_ >= newest()) {
    rested_ += seconds;
    if (rested_ < kRestSeconds || is_replay()) return;
    rested_ = 0;  // where the next one cannot begin, the next try is after another rest
    return GoTo(static_cast<int64_t>(number_) + 1);
  }
  rested_ = 0;
  if (is_unlimited_) {
    while (PlayStep() && may_go_on()) {
    }
    return;
  }
  due_ += seconds * steps_per_second();
  while (due_ >= 1 && PlayStep()) {
    due_ -= 1;
    if (!may_go_on()) due_ = 0;  // this machine is slower than that: no debt
  }
}

void Session::StepForward() {
  is_playing_ = false;
  if (is_person() && step_ >= newest()) return;
  try {
    PlayStep();
  } catch (const std::exception& error) {
    StopAt(error);
  }
}

void Session::StepBack() {
  is_playing_ = false;
  step_ = std::max<int64_t>(0, step_ - 1);
}

void Session::ShowStep(int64_t step) {
  is_playing_ = false, plays_to_end_ = false;
  step_ = std::clamp<int64_t>(step, 0, newest());
}

void Session::PlayToEnd() {
  step_ = newest();
  plays_to_end_ = !is_person();
}

void Session::GoTo(int64_t number) {
  if (is_replay()) return Say("a saved episode has no next one");
  Begin(seed_, static_cast<uint64_t>(std::clamp<int64_t>(number, 0, kLargestNumber)));
}

void Session::NextChooser() {
  if (is_replay() || is_person()) return Say(is_person() ? "you choose the actions" : "a saved episode is fixed");
  const bool has_policy = std::ranges::any_of(seats_, [](const Seat& seat) { return seat.player->has_policy(); });
  switch (chooser_) {
    case Chooser::kSample:
      chooser_ = Chooser::kGreedy;
      break;
    case Chooser::kGreedy:
      chooser_ = Chooser::kOracle;
      break;
    case Chooser::kOracle:
      chooser_ = Chooser::kRandom;
      break;
    case Chooser::kRandom:
      chooser_ = has_policy ? Chooser::kSample : Chooser::kOracle;
      break;
  }
}

void Session::NextHead() {
  int64_t heads = 0;
  for (size_t i = 0; i < seats_.size(); ++i)
    for (const auto& layer : MemoriesOf(i)) heads = std::max(heads, layer.heads);
  head_ = head_ + 1 < heads ? head_ + 1 : -1;
}

void Session::SaveEpisode() {
  const std::string path = FreeName();
  try {
    agents::SaveEpisode(path, *seats_[0].episode, seats_[0].player->env_id());
    Say(fmt::format("{} saved as {}; `lethe view {}` shows it again", seats_[0].player->name(), path, path));
  } catch (const std::exception& error) {
    Say(FirstLine(error.what()));
  }
}

void Session::Type(std::string_view key) {
  if (!typed_) return;
  if (key == "Backspace" && !typed_->empty()) typed_->pop_back();
  if (key.size() == 1 && std::isdigit(static_cast<unsigned char>(key[0])) && typed_->size() < kMostDigits)
    *typed_ += key;
  if (key == "Escape") return typed_.reset();
  if (key != "Return") return;
  const std::string digits = *typed_;
  typed_.reset();
  if (digits.empty()) return;
  const uint64_t number = std::stoull(digits);
  if (!types_action_) return Begin(number, 0);
  const auto actions = static_cast<uint64_t>(seats_[0].episode->spec().num_actions);
  if (number >= actions) return Say(fmt::format("there is no action {}; allowed: 0..{}", number, actions - 1));
  Act(static_cast<int>(number));
}

void Session::TypeAction(std::string_view digit) {
  typed_ = std::string(digit);
  types_action_ = true;
}

void Session::Apply(Control control) {
  switch (control) {
    case Control::kPlay:
      is_playing_ = !is_playing_, plays_to_end_ = false;
      rested_ = kRestSeconds;  // a person who wants to go on need not wait
      return;
    case Control::kStepForward:
      return StepForward();
    case Control::kStepBack:
      return StepBack();
    case Control::kFirst:
      return ShowStep(0);
    case Control::kLast:
      return PlayToEnd();
    case Control::kSlower:
      speed_ = is_unlimited_ ? kFastest : std::max(kSlowest, speed_ / 2);
      is_unlimited_ = false;
      return;
    case Control::kFaster:
      if (!is_unlimited_) speed_ = std::min(kFastest, speed_ * 2);
      return;
    case Control::kUnlimited:
      is_unlimited_ = !is_unlimited_;
      return;
    case Control::kNextEpisode:
      return GoTo(static_cast<int64_t>(number_) + 1);
    case Control::kPreviousEpisode:
      return GoTo(static_cast<int64_t>(number_) - 1);
    case Control::kNewSeed:
      if (is_replay()) return Say("a saved episode has its seed");
      return Begin(std::random_device()() % 1'000'000, 0);
    case Control::kGivenSeed:
      if (is_replay()) return Say("a saved episode has its seed");
      typed_ = "";
      types_action_ = false;
      return;
    case Control::kChooser:
      return NextChooser();
    case Control::kHead:
      return NextHead();
    case Control::kOrder:
      order_ = static_cast<MemoryOrder>((static_cast<int>(order_) + 1) % 3);
      return;
    case Control::kOnlyLiving:
      only_living_ = !only_living_;
      return;
    case Control::kBlind:
      is_blind_ = !is_blind_;
      return;
    case Control::kZoomIn:
      zoom_ = std::min(kLargestZoom, zoom_ * 1.25);
      return;
    case Control::kZoomOut:
      zoom_ = std::max(kSmallestZoom, zoom_ / 1.25);
      return;
    case Control::kSaveEpisode:
      return SaveEpisode();
    case Control::kHelp:
      shows_help_ = !shows_help_;
      return;
    case Control::kCancel:
      shows_help_ = false;
      selected_.reset();
      return;
    case Control::kQuit:
      wants_to_quit_ = true;
      return;
    case Control::kFullScreen:
    case Control::kPicture:
      return;  // the window's affair
  }
}

}  // namespace lethe::tools
