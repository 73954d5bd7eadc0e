// A shared library that is no plug-in.
extern "C" [[gnu::visibility("default")]] int lethe_test_plugin() { return 0; }
