#pragma once

#include <string>
#include <vector>

namespace lethe::envs {

/// Loads a shared library with environments and adds them to the registry; returns their ids.
///
/// The library exports two functions of C linkage (envs/plugin/exports.cpp): `lethe_plugin_abi`, which is called first
/// and has to agree with this program (envs/plugin_abi.h), and `lethe_plugin_register`, which hands over its entries.
/// Each is checked (envs/entry_check.h) before the first is added, so a plug-in is taken as a whole or not at all. It
/// stays loaded until the program ends. It needs no symbol of the program, and shows it none but those two.
///
/// A plug-in that is loaded already is left as it is; the call returns its ids again.
///
/// Errors: std::runtime_error with the file and the reason: no such file, no shared library, a function missing,
/// compiled otherwise (what differs, and both sides' values), an entry refused (its id or family taken, say), an
/// exception of the plug-in. Then nothing was added and the library is closed. Threads: as for Add in envs/registry.h.
std::vector<std::string> LoadPlugin(const std::string& path);

}  // namespace lethe::envs
