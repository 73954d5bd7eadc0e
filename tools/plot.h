#pragma once

#include <string>

namespace lethe::tools {

/// Draws <run_dir>/report/progress.png with tools/plot.py, which is looked for in the folders above the program.
/// Python: LETHE_PYTHON where set, else the .venv beside tools/, else python3.
struct Plot {
  bool drawn = false;
  std::string text;  ///< the path of the picture, or one line about why there is none
};
Plot DrawPlot(const std::string& run_dir);

}  // namespace lethe::tools
