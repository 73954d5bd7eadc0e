// A plug-in that says how it was compiled, and forgot the rest.
#include "envs/plugin_abi.h"

extern "C" [[gnu::visibility("default")]] const lethe::envs::PluginAbi* lethe_plugin_abi() {
  return &lethe::envs::kPluginAbi;
}
