#include "tools/viewer/draw.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <ostream>
#include <set>
#include <tuple>

#include "envs/grid.h"
#include "tools/viewer/recorder.h"

namespace lethe::tools {
namespace {

using State = MemoryCell::State;

/// FNV-1a.
uint64_t HashOf(std::span<const uint32_t> pixels) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const uint32_t pixel : pixels) hash = (hash ^ pixel) * 0x100000001b3;
  return hash;
}

std::string Save(const std::string& name, Canvas& canvas) {
  std::string path = (std::filesystem::temp_directory_path() / fmt::format("lethe_draw_{}.png", name)).string();
  const auto recorder = MakeRecorder(path, canvas.width(), canvas.height(), 1);
  recorder->Add(canvas.Pixels());
  recorder->Finish();
  return path;
}

/// A picture is approved by its number, after a look at it: on purpose, never because it has changed.
void ExpectApproved(const std::string& name, Canvas& canvas, uint64_t approved) {
  const uint64_t hash = HashOf(canvas.Pixels());
  if (hash == approved) return;
  ADD_FAILURE() << fmt::format("{} has changed: look at {}; if it is right, its number is 0x{:016x}", name,
                               Save(name, canvas), hash);
}

constexpr int64_t kStep = 36, kNewest = 48;

/// Every share is a quotient of small integers, so that no machine rounds it otherwise.
MemoryCell CellOf(int64_t step, int64_t layer) {
  const int64_t mix = (step * 7 + layer * 3) % 12;
  MemoryCell cell;
  cell.step = step;
  cell.is_cue = step == 0 || step == 17;
  if (mix < 5 && step < kStep - 3) {
    cell.ghost = static_cast<double>(mix) / 4;
    return cell;
  }
  cell.state = mix == 5 ? State::kOnRamp : State::kLiving;
  cell.attention = static_cast<double>(mix) / 64;
  cell.remaining = static_cast<double>(mix) / 2;
  cell.brightness = static_cast<double>(mix) / 12;
  cell.warmth = static_cast<double>((step * 5 + layer) % 9) / 8;
  return cell;
}

LayerView LayerOf(int64_t layer) {
  LayerView view;
  for (int64_t step = 0; step < kStep; ++step) view.cells.push_back(CellOf(step, layer));
  view.living = std::ranges::count_if(view.cells, [](const MemoryCell& c) { return c.state != State::kExpired; });
  view.bytes_per_memory = 264;
  if (layer == 0) view.new_span = 17.5;
  return view;
}

/// A corridor of two colours, the agent in its middle, what was written above it.
BoardView BoardOf() {
  BoardView board;
  board.view = 3;
  board.picture = {3, 9, {}, 1, 4, 0};
  for (int row = 0; row < 3; ++row)
    for (int column = 0; column < 9; ++column) {
      const bool is_floor = row == 1 && column > 0 && column < 8;
      board.picture.cells.push_back({is_floor ? envs::kFloor : envs::kWall, 0});
    }
  board.picture.cells[9] = {envs::kSignal, 2};
  board.picture.cells[7] = {envs::kDoor, 1};
  board.picture.cells[25] = {envs::kDoor, 2};
  board.picture.cells[15] = {envs::kLamp, 4};
  board.captions = {"word: lamp", "heard: bring the lamp"};
  return board;
}

Course CourseOf() {
  Course course;
  course.living.resize(2);
  course.spans.resize(1);
  for (int64_t step = 0; step <= kNewest; ++step) {
    course.value.push_back(static_cast<float>(step % 16 - 4) / 16);
    course.entropy.push_back(static_cast<float>(48 - step) / 64);
    course.living[0].push_back(static_cast<float>(std::min<int64_t>(step, 20)));
    course.living[1].push_back(static_cast<float>(step % 10));
    course.spans[0].push_back(static_cast<float>(step * 5 % 17));
    if (step < kNewest) course.reward.push_back(step % 20 == 19 ? 1.0f : 0.0f);
  }
  course.cues = {0, 17};
  course.rewards = {20, 40};
  return course;
}

const Course kCourse = CourseOf();

AgentView AgentOf(const std::string& name) {
  AgentView agent;
  agent.name = name;
  agent.status = "weights of step 1.25 M, 3 s old; in training";
  agent.step = kStep, agent.newest = kNewest;
  agent.outcome = "step 36   return 1";
  agent.board = BoardOf();
  agent.layers = {LayerOf(0), LayerOf(1)};
  agent.policy = {{"up", "right", "down", "left"}, {0.125f, 0.625f, 0.25f, 0}, 1, 0.25f, 0.5f};
  agent.course = &kCourse;
  return agent;
}

Frame FrameOf() {
  Frame frame;
  frame.agents = {AgentOf("runs/corridor")};
  frame.step = kStep, frame.newest = kNewest;
  frame.environment = "Corridor-Short-v0";
  frame.place = "seed 5, episode 3";
  frame.pace = "8 steps/s";
  frame.choice = "sample";
  frame.memories = {{"mean of heads", Control::kHead}, {"by time", Control::kOrder}, {"all", Control::kOnlyLiving}};
  frame.is_playing = true;
  frame.pointer = {-1, -1};
  return frame;
}

MemoryDetail DetailOf(int64_t step) {
  MemoryDetail detail;
  detail.place = {0, 1, step};
  detail.state = State::kOnRamp;
  detail.span = 20.5;
  detail.remaining = -1.5;
  detail.attention = {0.125f, 0.0625f};
  detail.seen = {3, 3, std::vector<envs::Cell>(9, {envs::kFloor, 0}), 1, 1};
  detail.seen.cells[2] = {envs::kKey, 3};
  detail.captions = {"word: key"};
  detail.action = "left";
  detail.reward = 0.5f;
  return detail;
}

/// Two players; the second one trains, and something is wrong with it.
Frame FrameOfTwo() {
  Frame frame = FrameOf();
  frame.agents.push_back(AgentOf("runs/another_name_that_is_rather_long"));
  AgentView& other = frame.agents[1];
  other.problem = "live.safetensors is damaged: its header ends after 12 of 4096 bytes";
  other.has_outcome = true;
  other.outcome = "ended: score 1 (success)  wrong_door 0  length 9  steps 36";
  other.board.flash = 1;
  for (int i = 0; i < 20; ++i) {
    other.training.env_steps.push_back(50'000.0 * i);
    other.training.score.push_back(static_cast<double>(i * i % 23) / 23);
  }
  other.training.living = {std::vector<double>(20, 12), std::vector<double>(20, 4)};
  return frame;
}

Frame FrameOfPerson() {
  Frame frame = FrameOf();
  AgentView& agent = frame.agents[0];
  agent.status = "";
  agent.layers.clear();
  agent.layers_note = "No policy plays here: nothing is remembered.";
  agent.policy.probabilities.clear();
  frame.choice = "you act";
  frame.is_person = true, frame.is_playing = false;
  return frame;
}

struct Case {
  const char* name;
  int width, height;
  uint64_t approved;
  Frame frame;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

std::vector<Case> Cases() {
  std::vector<Case> cases = {{"wide", 1280, 800, 0x37610810f8ee9692, FrameOf()},
                             {"small", 640, 480, 0x1194897aea6d84a2, FrameOf()},
                             {"two", 1280, 800, 0xab60cc48a1ae1d9d, FrameOfTwo()},
                             {"person", 1280, 800, 0x3a5b24b40484f93c, FrameOfPerson()},
                             {"help", 1280, 800, 0xc79f73a81af293a1, FrameOf()},
                             {"person_help", 640, 480, 0xf718287955a26533, FrameOfPerson()},
                             {"details", 1280, 800, 0xc46e01ab39ce26dd, FrameOf()},
                             {"problem", 640, 480, 0xd256f180dfe8ec77, FrameOf()},
                             {"by_attention", 800, 600, 0x9abe82ed9419079a, FrameOf()}};
  const auto frame = [&](const char* name) -> Frame& {
    return std::ranges::find(cases, std::string(name), [](const Case& c) { return std::string(c.name); })->frame;
  };
  frame("help").shows_help = frame("person_help").shows_help = true;
  Frame& details = frame("details");
  details.selected = DetailOf(12);
  details.hovered = DetailOf(30);
  details.hovered->state = State::kLiving;
  details.pointer = {1100, 700};
  details.agents[0].board.marks = {{1, 2, "12"}, {1, 6, "30"}};
  details.zoom = 1.25;
  Frame& problem = frame("problem");
  problem.agents[0].problem = "the run folder is gone: the last weights stay";
  problem.note = "saved as lethe_1.png";
  Frame& sorted = frame("by_attention");
  sorted.order = MemoryOrder::kAttention;
  for (LayerView& layer : sorted.agents[0].layers)
    std::ranges::stable_sort(layer.cells, std::ranges::greater(), &MemoryCell::attention);
  sorted.agents[0].layers[0].left_out = 12'345;
  sorted.agents[0].board.is_blind = true;
  return cases;
}

class DrawCase : public testing::TestWithParam<Case> {
 protected:
  const Case& case_ = GetParam();
  Canvas canvas_{case_.width, case_.height};
  Zones zones_;
};

TEST_P(DrawCase, IsAsApproved) {
  Draw(case_.frame, canvas_, zones_);
  ExpectApproved(case_.name, canvas_, case_.approved);
}

/// Canvas and zones are used for one frame after the other.
TEST_P(DrawCase, DependsOnTheFrameAlone) {
  Draw(case_.frame, canvas_, zones_);
  const uint64_t hash = HashOf(canvas_.Pixels());
  const size_t zones = zones_.all().size();
  Frame other = FrameOfTwo();
  other.zoom = 2, other.shows_help = true, other.note = "another";
  Draw(other, canvas_, zones_);
  EXPECT_NE(HashOf(canvas_.Pixels()), hash);
  Draw(case_.frame, canvas_, zones_);
  EXPECT_EQ(HashOf(canvas_.Pixels()), hash);
  EXPECT_EQ(zones_.all().size(), zones);
}

void ExpectSameBox(const Box& got, const Box& want) {
  EXPECT_NEAR(got.x, want.x, 1.5);
  EXPECT_NEAR(got.y, want.y, 1.5);
  EXPECT_NEAR(got.w, want.w, 1.5);
  EXPECT_NEAR(got.h, want.h, 1.5);
}

/// The same points whatever a point is in pixels; labels are as wide as whole pixels let them be.
TEST_P(DrawCase, IsLaidOutTheSameAtTwiceTheScale) {
  Draw(case_.frame, canvas_, zones_);
  Canvas twice(2 * case_.width, 2 * case_.height, 2);
  Zones zones;
  Draw(case_.frame, twice, zones);
  ASSERT_EQ(zones.all().size(), zones_.all().size());
  for (size_t i = 0; i < zones.all().size(); ++i) {
    const Zones::Zone &got = zones.all()[i], &want = zones_.all()[i];
    EXPECT_EQ(got.memory, want.memory);
    EXPECT_EQ(got.control, want.control);
    EXPECT_EQ(got.last_step, want.last_step);
    if (!got.control) ExpectSameBox(got.box, want.box);
  }
}

TEST_P(DrawCase, ZonesLieWithinTheCanvas) {
  Draw(case_.frame, canvas_, zones_);
  const Box all = canvas_.bounds();
  for (const Zones::Zone& zone : zones_.all()) {
    EXPECT_GE(zone.box.x, all.x);
    EXPECT_GE(zone.box.y, all.y);
    EXPECT_LE(zone.box.right(), all.right());
    EXPECT_LE(zone.box.bottom(), all.bottom());
  }
}

INSTANTIATE_TEST_SUITE_P(Frames, DrawCase, testing::ValuesIn(Cases()),
                         [](const auto& param) { return std::string(param.param.name); });

Point CentreOf(const Box& box) { return {box.x + box.w / 2, box.y + box.h / 2}; }

/// By player and layer, the steps that can be pointed at.
std::map<std::pair<int, int>, std::multiset<int64_t>> StepsOf(const Zones& zones) {
  std::map<std::pair<int, int>, std::multiset<int64_t>> steps;
  for (const Zones::Zone& zone : zones.all())
    if (zone.memory) steps[{zone.memory->agent, zone.memory->layer}].insert(zone.memory->step);
  return steps;
}

TEST(DrawZones, EveryCellIsOnePlaceThatLeadsBackToItsStep) {
  for (const MemoryOrder order : {MemoryOrder::kTime, MemoryOrder::kSpan, MemoryOrder::kAttention}) {
    Frame frame = FrameOfTwo();
    frame.order = order;
    Canvas canvas(1280, 800);
    Zones zones;
    Draw(frame, canvas, zones);
    const auto steps = StepsOf(zones);
    ASSERT_EQ(steps.size(), 4u) << "two players of two layers";
    for (const auto& [place, of] : steps) {
      ASSERT_EQ(of.size(), static_cast<size_t>(kStep));
      for (int64_t step = 0; step < kStep; ++step) EXPECT_EQ(of.count(step), 1u);
    }
    for (const Zones::Zone& zone : zones.all()) {
      if (!zone.memory) continue;
      EXPECT_EQ(zones.At(CentreOf(zone.box))->memory, zone.memory);
      EXPECT_EQ(zones.At({zone.box.x, zone.box.y})->memory, zone.memory) << "its upper left corner";
    }
  }
}

TEST(DrawZones, ButtonsAreControls) {
  Canvas canvas(1280, 800);
  Zones zones;
  const auto controls = [&](const Frame& frame) {
    Draw(frame, canvas, zones);
    std::set<Control> found;
    for (const Zones::Zone& zone : zones.all()) {
      if (!zone.control) continue;
      found.insert(*zone.control);
      EXPECT_EQ(zones.At(CentreOf(zone.box))->control, zone.control) << "no button below another";
    }
    return found;
  };
  const auto all = controls(FrameOf());
  for (const Control control :
       {Control::kFirst, Control::kStepBack, Control::kPlay, Control::kStepForward, Control::kLast, Control::kSlower,
        Control::kFaster, Control::kChooser, Control::kPreviousEpisode, Control::kNextEpisode, Control::kGivenSeed,
        Control::kHelp, Control::kOrder})
    EXPECT_TRUE(all.contains(control)) << static_cast<int>(control);
  const auto person = controls(FrameOfPerson());
  EXPECT_FALSE(person.contains(Control::kPlay)) << "a person has nothing to play";
  EXPECT_FALSE(person.contains(Control::kFaster));
}

TEST(DrawZones, TheTimelineReachesItsEnds) {
  Canvas canvas(1280, 800);
  Zones zones;
  Draw(FrameOf(), canvas, zones);
  int timelines = 0;
  for (const Zones::Zone& zone : zones.all()) {
    if (zone.last_step < 0) continue;
    ++timelines;
    EXPECT_EQ(zone.last_step, kNewest);
    EXPECT_EQ(zone.StepAt({zone.box.x, zone.box.y}), 0);
    EXPECT_EQ(zone.StepAt({zone.box.right() - 1, zone.box.y}), kNewest);
  }
  EXPECT_EQ(timelines, 4) << "the one at the bottom, and those of value, reward and entropy";
}

TEST(DrawZones, TheHelpSheetCoversEverything) {
  Frame frame = FrameOf();
  frame.shows_help = true;
  Canvas canvas(1280, 800);
  Zones zones;
  Draw(frame, canvas, zones);
  for (double y = 1; y < 800; y += 7)
    for (double x = 1; x < 1280; x += 7) {
      const Zones::Zone* zone = zones.At({x, y});
      ASSERT_NE(zone, nullptr);
      EXPECT_TRUE(!zone->memory && zone->last_step < 0);
      EXPECT_TRUE(!zone->control || zone->control == Control::kHelp);
    }
  EXPECT_EQ(zones.At({640, 400})->control, Control::kHelp) << "a click on the sheet closes it";
}

/// What a canvas cannot hold is left out; where zones are left they lie on it.
TEST(DrawSmall, NothingBreaksOrLeavesTheCanvas) {
  for (const auto& [width, height] : std::vector<std::pair<int, int>>{{160, 160}, {1, 1}, {160, 900}, {900, 160}}) {
    for (const Case& c : Cases()) {
      SCOPED_TRACE(fmt::format("{} {}x{}", c.name, width, height));
      Canvas canvas(width, height);
      Zones zones;
      Draw(c.frame, canvas, zones);
      if (width < 160 || height < 160) continue;
      for (const Zones::Zone& zone : zones.all()) {
        EXPECT_LE(zone.box.x, width);
        EXPECT_LE(zone.box.y, height);
        EXPECT_GE(zone.box.right(), 0);
        EXPECT_GE(zone.box.bottom(), 0);
      }
    }
  }
}

TEST(DrawSmall, FramesWithNothingInThem) {
  Canvas canvas(640, 480);
  Zones zones;
  Frame frame;
  Draw(frame, canvas, zones);
  frame.agents.resize(1);
  Draw(frame, canvas, zones);
  const Course course = {};
  frame.agents.resize(2);
  for (AgentView& agent : frame.agents) agent.course = &course, agent.layers.resize(1);
  frame.hovered = frame.selected = MemoryDetail();
  frame.hovered->place.step = 3;
  frame.shows_help = true;
  Draw(frame, canvas, zones);
}

/// Where not all fit, the dead go first; of the living by time the latest stay, in other orders the first.
TEST(DrawMany, OfMoreCellsThanFitThoseThatMatterAreShown) {
  constexpr int64_t kMany = 100'000;
  Frame frame = FrameOf();
  AgentView& agent = frame.agents[0];
  agent.layers.resize(1);
  agent.layers[0].cells.clear();
  for (int64_t step = 0; step < kMany; ++step) agent.layers[0].cells.push_back(CellOf(step, 0));
  for (const MemoryOrder order : {MemoryOrder::kTime, MemoryOrder::kAttention}) {
    frame.order = order;
    Canvas canvas(640, 480);
    Zones zones;
    Draw(frame, canvas, zones);
    const auto steps = StepsOf(zones);
    ASSERT_EQ(steps.size(), 1u);
    const auto& of = steps.begin()->second;
    EXPECT_GT(of.size(), 1'000u);
    EXPECT_LT(of.size(), static_cast<size_t>(kMany));
    EXPECT_EQ(std::set<int64_t>(of.begin(), of.end()).size(), of.size());
    for (const int64_t step : of) EXPECT_NE(CellOf(step, 0).state, State::kExpired) << step;
    if (order == MemoryOrder::kTime) {
      EXPECT_EQ(*of.rbegin(), kMany - 1);
    } else {
      EXPECT_LT(*of.rbegin(), kMany / 2);
    }
  }
}

/// What lives longest is what one wants to see, however small the strip.
TEST(DrawMany, ALivingMemoryIsNotLostAmongTheDead) {
  Frame frame = FrameOf();
  LayerView& layer = frame.agents[0].layers[0];
  layer.cells.assign(3'000, {});
  for (size_t i = 0; i < layer.cells.size(); ++i) layer.cells[i].step = static_cast<int64_t>(i);
  layer.cells[0].state = State::kLiving;
  Canvas canvas(480, 320);
  Zones zones;
  Draw(frame, canvas, zones);
  const auto& of = StepsOf(zones).begin()->second;
  EXPECT_LT(of.size(), 3'000u);
  EXPECT_EQ(*of.begin(), 0);
  EXPECT_EQ(*of.rbegin(), 2'999);
}

/// Every layer's cells stay between its neighbours, however little room there is.
TEST(DrawMany, StripsKeepToTheirPlaces) {
  for (const auto& [width, height, layers, zoom] :
       {std::tuple{1280, 800, 12, 1.0}, std::tuple{480, 320, 2, 1.0}, std::tuple{1280, 800, 2, 4.0}}) {
    Frame frame = FrameOf();
    frame.zoom = zoom;
    frame.agents[0].layers.clear();
    for (int l = 0; l < layers; ++l) frame.agents[0].layers.push_back(LayerOf(l));
    Canvas canvas(width, height);
    Zones zones;
    Draw(frame, canvas, zones);
    std::map<int, std::pair<double, double>> reach;  // of the layers, top and bottom
    for (const Zones::Zone& zone : zones.all()) {
      if (!zone.memory) continue;
      auto [at, is_new] = reach.try_emplace(zone.memory->layer, zone.box.y, zone.box.bottom());
      at->second = {std::min(at->second.first, zone.box.y), std::max(at->second.second, zone.box.bottom())};
    }
    ASSERT_EQ(reach.size(), static_cast<size_t>(layers));
    for (int l = 1; l < layers; ++l)
      EXPECT_LT(reach[l - 1].second, reach[l].first + 1) << l << " of " << layers << " at " << width;
  }
}

TEST(DrawMany, LongCoursesAndManyLayers) {
  Course course;
  for (int64_t step = 0; step < 100'000; ++step) {
    course.reward.push_back(static_cast<float>(step % 2));
    course.value.push_back(static_cast<float>(step % 100) / 100);
    course.entropy.push_back(1);
    course.cues.push_back(step), course.rewards.push_back(step);
  }
  course.living.assign(12, course.value);
  Frame frame = FrameOf();
  AgentView& agent = frame.agents[0];
  agent.course = &course;
  agent.newest = agent.step = frame.newest = frame.step = 99'999;
  agent.layers.assign(12, LayerOf(0));
  agent.policy.actions.assign(104, "flip");
  agent.policy.probabilities.assign(104, 1.0f / 128);
  agent.board.captions.assign(40, "much to say");
  Canvas canvas(1280, 800);
  Zones zones;
  Draw(frame, canvas, zones);
  EXPECT_EQ(StepsOf(zones).size(), 12u);
}

}  // namespace
}  // namespace lethe::tools
