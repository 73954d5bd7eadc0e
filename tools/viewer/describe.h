#pragma once

#include "tools/viewer/frame.h"
#include "tools/viewer/session.h"

namespace lethe::tools {

/// What a session looks like now. Fills frames again and again without giving back their memory. pointer: of the mouse.
/// Not const: memories of steps long past are computed again.
void Describe(Session& session, Point pointer, Frame& frame);

}  // namespace lethe::tools
