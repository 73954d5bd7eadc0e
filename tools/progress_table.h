#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe::tools {

inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

/// What a person wants to know about a running training. Unknown numbers are NaN and shown as "-".
struct ProgressLine {
  std::string phase;              ///< "clone", "learn", "consolidate"
  int64_t env_steps = 0;          ///< environment steps taken so far
  int64_t total_steps = 0;        ///< 0: no limit on steps
  double seconds = 0;             ///< wall time so far
  double total_seconds = 0;       ///< 0: no limit on time
  double eta_seconds = kUnknown;  ///< time left; when unknown, estimated from the share done and `seconds`
  double steps_per_s = kUnknown;  ///< environment steps per second of wall time
  double share_envs = kUnknown;   ///< where the time goes, each 0..1
  double share_acting = kUnknown;
  double share_learning = kUnknown;
  double share_waiting = kUnknown;
  double score = kUnknown;
  double curriculum = kUnknown;  ///< current value of the curriculum parameter
  std::string curriculum_name = "curriculum";
  std::vector<double> living_memories;                 ///< per layer, mean per step
  double never_forgetting = kUnknown;                  ///< what a memory that keeps everything would hold
  double memory_bytes = kUnknown;                      ///< resident memories of all rows
  std::vector<std::pair<std::string, double>> losses;  ///< name and value, shown in this order
};

/// Share of the run that is done, 0..1: of the steps or of the time, whichever limit is nearer. NaN without limits.
double ShareDone(const ProgressLine& line);

/// `eta_seconds`, or its estimate; NaN when there is nothing to estimate it from.
double SecondsLeft(const ProgressLine& line);

/// Table of at most 80 columns, one string per row, without line feeds. `scores` are all scores so far, for the curve
/// beside the newest one. Colours are ANSI sequences and carry nothing that shape and order do not say as well.
std::vector<std::string> FormatTable(const ProgressLine& line, const std::vector<double>& scores, bool colours);

/// For logs: the titles of the columns, and one line under them.
std::string FormatPlainHeader();
std::string FormatPlain(const ProgressLine& line);

// The pieces.

/// 1234567 -> "1.23 M"; below 10,000 in full.
std::string FormatCount(double count);
/// 3725 -> "1:02:05", 125 -> "2:05".
std::string FormatDuration(double seconds);
/// 1234567 -> "1.23 MB".
std::string FormatBytes(double bytes);
/// A bar of `width` characters, filled to `share` (0..1) in half characters.
std::string FormatBar(double share, int width);
/// The course of `values` from their smallest to their largest, at most `width` characters: neighbours are averaged.
std::string FormatCurve(const std::vector<double>& values, int width);
/// Columns on the screen: characters without colour sequences.
int VisibleWidth(std::string_view text);

}  // namespace lethe::tools
