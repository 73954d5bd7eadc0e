#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/viewer/canvas.h"
#include "tools/viewer/frame.h"
#include "tools/viewer/zones.h"

namespace lethe::tools {

// The parts of a picture, a file each. Every one draws into its box and nowhere else.

/// The environment: cells, the agent, what it sees lit and the rest dim, captions below.
void DrawBoard(const AgentView& agent, double zoom, const Box& box, Canvas& canvas);
/// The cells of a picture with their upper left corner at a point; `view` is the side of the lit square, 0: all is lit.
/// dim: 0..1, how dark the rest is.
void DrawCells(const envs::Picture& picture, int view, double dim, double cell, Point corner, Canvas& canvas);

/// One strip for each layer.
void DrawMemories(const AgentView& agent, int agent_number, const Frame& frame, const Box& box, Canvas& canvas,
                  Zones& zones);
/// What a memory holds, as lines beside the square that was seen, DetailHeight high.
void DrawDetail(const MemoryDetail& detail, const Box& box, Canvas& canvas);
double DetailHeight(const MemoryDetail& detail);

/// What the colours of strips mean.
void DrawLegend(const Box& box, Canvas& canvas);
double LegendHeight();

/// Probabilities of the actions; value, reward and entropy over the episode.
void DrawPolicy(const AgentView& agent, const Box& box, Canvas& canvas, Zones& zones);

/// Score and living memories of a training that is followed.
void DrawTraining(const TrainingView& training, const Box& box, Canvas& canvas);

/// Name, weights, what is wrong.
void DrawTitle(const AgentView& agent, const Box& box, Canvas& canvas);

/// Timeline of the episode and the buttons.
void DrawTimeline(const Frame& frame, const Box& box, Canvas& canvas, Zones& zones);

/// The keys and what the mouse does, over everything else.
void DrawHelp(bool is_person, const Box& box, Canvas& canvas, Zones& zones);

/// A curve over 0 .. last in a box with its lowest and highest value at its edges; `mark`: a place to show, < 0: none.
struct Curve {
  std::span<const float> values;
  Color color;
};
void DrawCurves(std::span<const Curve> curves, int64_t last, int64_t mark, double lowest, double highest,
                const Box& box, Canvas& canvas);

/// One more curve where DrawCurves has drawn.
void AddCurve(const Curve& curve, int64_t last, double lowest, double highest, const Box& box, Canvas& canvas);

/// Words over as many lines as a width needs. Returns the height taken.
double DrawWrapped(Point at, std::string_view text, double width, const TextStyle& style, Canvas& canvas);

/// Text cut to a width, with … at its end where something is missing.
void DrawFitting(Point at, std::string text, double width, const TextStyle& style, Canvas& canvas);

}  // namespace lethe::tools
