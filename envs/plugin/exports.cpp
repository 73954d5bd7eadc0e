// Compiled into every plug-in: the two functions that it shows. Everything else in it stays hidden.

#include "envs/plugin_abi.h"

extern "C" {

/// Asked first: how this plug-in was compiled.
[[gnu::visibility("default")]] const lethe::envs::PluginAbi* lethe_plugin_abi() { return &lethe::envs::kPluginAbi; }

/// Asked only if that agrees with the program: hands over the plug-in's environments.
[[gnu::visibility("default")]] void lethe_plugin_register(lethe::envs::Registry& registry) {
  for (const lethe::envs::Entry& entry : lethe::envs::OwnEntries()) registry.Add(entry);
}
}
