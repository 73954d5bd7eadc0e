#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agents/episode.h"
#include "tools/viewer/control.h"
#include "tools/viewer/frame.h"
#include "tools/viewer/player.h"

namespace lethe::tools {

/// What is watched and how: the players and their episodes, the step that is shown, and everything a person has chosen.
/// Knows no keys, no window and no drawing; time is what Advance is told.
/// Threads: belongs to one thread.
class Session {
 public:
  /// players: one, or two side by side.
  explicit Session(std::vector<std::unique_ptr<Player>> players);

  /// Lets `seconds` of watching pass: plays on at the chosen speed, goes to the next episode a moment after the end of
  /// the last one, looks for new weights. `may_go_on` is asked between steps at unlimited speed; false: that was
  /// enough. Errors of playing, here and in Apply and Act, pause and become the note; the episode is over then.
  void Advance(double seconds, const std::function<bool()>& may_go_on);
  void Apply(Control control);
  /// A person's action; ignored where nobody plays by hand.
  void Act(int action);
  /// Typed after kGivenSeed, or after TypeAction: digits, "Return", "Backspace", "Escape".
  void Type(std::string_view key);
  /// A person begins to type the number of an action, where there are more than digits.
  void TypeAction(std::string_view digit);
  bool is_typing() const { return typed_.has_value(); }
  /// Shows a step that was played already, clamped to those there are; pauses.
  void ShowStep(int64_t step);
  void Hover(const std::optional<MemoryPlace>& place) { hovered_ = place; }
  void Select(const std::optional<MemoryPlace>& place) { selected_ = place; }
  void Say(std::string note) { note_ = std::move(note), note_seconds_ = 0; }

  /// Starts the episode of this number with the newest weights. Errors become the note; what is shown stays.
  void Begin(uint64_t seed, uint64_t number);
  /// Plays one step where the episode has not ended: what Advance does, without time. False: all have ended.
  /// Errors: what the environment or the policy throws.
  bool PlayStep();

  struct Seat {
    std::unique_ptr<Player> player;
    std::unique_ptr<agents::PlayedEpisode> episode;
    Course course;
    double longest_span = 1;  ///< so far: where the scale of colours ends
    /// What ended the episode before its time; "" nothing did. The step that failed is not shown.
    std::string failure = {};

    /// The last step that can be shown.
    int64_t newest() const { return static_cast<int64_t>(course.reward.size()); }
  };
  const std::vector<Seat>& seats() const { return seats_; }
  agents::PlayedEpisode& episode(size_t seat) { return *seats_[seat].episode; }
  /// The step shown of one player: the common one, or its last.
  int64_t StepOf(size_t seat) const { return std::min(step_, seats_[seat].newest()); }
  /// What that step sees, as PlayedEpisode::MemoriesAt. Errors pause and become the note; it is empty then.
  const std::vector<agents::LayerMemories>& MemoriesOf(size_t seat);

  int64_t step() const { return step_; }
  int64_t newest() const;
  bool has_ended() const;
  bool is_playing() const { return is_playing_; }
  /// Whether Advance will change what is shown, a pause between episodes apart.
  bool moves() const;
  /// How long Advance may wait without being late for a step; 0 at unlimited speed.
  double seconds_to_next_step() const;
  bool is_person() const;
  bool is_replay() const;
  bool wants_to_quit() const { return wants_to_quit_; }
  bool shows_help() const { return shows_help_; }
  bool only_living() const { return only_living_; }
  bool is_blind() const { return is_blind_; }
  double steps_per_second() const;  ///< infinity: unlimited
  double zoom() const { return zoom_; }
  int head() const { return head_; }  ///< -1: the mean
  MemoryOrder order() const { return order_; }
  agents::Chooser chooser() const { return chooser_; }
  uint64_t seed() const { return seed_; }
  uint64_t number() const { return number_; }
  const std::optional<MemoryPlace>& hovered() const { return hovered_; }
  const std::optional<MemoryPlace>& selected() const { return selected_; }
  /// The latest message, or what is being typed; "" once it is old.
  std::string note() const;

  // How the session starts.
  void SetChooser(agents::Chooser chooser) { chooser_ = chooser; }
  void SetPlaying(bool is_playing) { is_playing_ = is_playing; }
  /// Steps per second; infinity: unlimited.
  void SetSpeed(double steps_per_second);
  void SetOnlyLiving(bool only_living) { only_living_ = only_living; }
  void SetBlind(bool is_blind) { is_blind_ = is_blind; }

 private:
  void PlayOn(double seconds, const std::function<bool()>& may_go_on);
  void StopAt(const std::exception& error);
  void StepForward();
  void StepBack();
  void PlayToEnd();
  void GoTo(int64_t number);
  void NextChooser();
  void NextHead();
  bool Take(Seat& seat);
  void Take(Seat& seat, int action);
  void Note(Seat& seat);
  void SaveEpisode();

  std::vector<Seat> seats_;
  uint64_t seed_ = 1, number_ = 0;
  int64_t step_ = 0;
  bool is_playing_ = true, is_unlimited_ = false, shows_help_ = false, only_living_ = false, is_blind_ = false,
       wants_to_quit_ = false, plays_to_end_ = false;
  double speed_ = 1;   // times kStepsPerSecond
  double due_ = 0;     // steps that are owed to the clock
  double rested_ = 0;  // seconds since the end of the episode
  double zoom_ = 1;
  int head_ = -1;
  MemoryOrder order_ = MemoryOrder::kTime;
  agents::Chooser chooser_;
  std::optional<MemoryPlace> hovered_, selected_;
  std::optional<std::string> typed_;
  bool types_action_ = false;  // not a seed
  std::string note_;
  double note_seconds_ = 0;
};

}  // namespace lethe::tools
