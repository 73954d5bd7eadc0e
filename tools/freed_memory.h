#pragma once

namespace lethe::tools {

/// Freed memory stays with the program from now on. Large tensors come and go with every update; by default each would
/// be fresh pages of the system, cleared one fault at a time: a fifth of the time of a training with wide memories.
void KeepFreedMemory();

/// All that is free goes back to the system now, and large stretches of it from now on, as the C library does by
/// itself: its thresholds at the largest values that it adapts them to.
void ReturnFreedMemory();

}  // namespace lethe::tools
