#include "tools/freed_memory.h"

#include <malloc.h>

#include <limits>

namespace lethe::tools {

namespace {

constexpr int kLargest = 32 << 20;  // threshold to which the C library adapts by itself

}  // namespace

void KeepFreedMemory() {
  if (::mallopt(M_MMAP_THRESHOLD, 1 << 30) == 0) ::mallopt(M_MMAP_THRESHOLD, kLargest);  // older C libraries
  ::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
}

void ReturnFreedMemory() {
  ::mallopt(M_MMAP_THRESHOLD, kLargest);
  ::mallopt(M_TRIM_THRESHOLD, 2 * kLargest);
  ::malloc_trim(0);
}

}  // namespace lethe::tools
