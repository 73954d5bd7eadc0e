#pragma once

#include "tools/viewer/canvas.h"
#include "tools/viewer/frame.h"
#include "tools/viewer/zones.h"

namespace lethe::tools {

/// Draws a frame over the whole canvas and says what lies where: the same for windows and recordings.
void Draw(const Frame& frame, Canvas& canvas, Zones& zones);

}  // namespace lethe::tools
