#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

// Finds the words of a text, the runs of bytes that are not ASCII white space, 64 bytes at a time:
// where a byte is white space is one bit, so that the ends of words are found without a branch for
// every byte.
class WordScan {
 public:
  // Calls found(std::string_view) for each word in order.
  template <class Found>
  static void each(std::string_view text, Found found) {
    const char* const end = text.data() + text.size();
    const char* first = nullptr;  // of the word at hand
    uint64_t inside = 0;          // 1: the byte before the block belongs to a word
    for (const char* block = text.data(); block < end; block += 64) {
      const uint64_t words = ~spaces(block, end);
      uint64_t edges = words ^ (words << 1 | inside);
      inside = words >> 63;
      for (; edges != 0; edges &= edges - 1) {
        const char* const edge = block + std::countr_zero(edges);
        if (first == nullptr) {
          first = edge;
        } else {
          found(std::string_view(first, static_cast<size_t>(edge - first)));
          first = nullptr;
        }
      }
    }
    if (first != nullptr) found(std::string_view(first, static_cast<size_t>(end - first)));
  }

 private:
  // A bit for each of 64 bytes: white space, or behind the end.
  static uint64_t spaces(const char* block, const char* end) {
    const auto left = static_cast<size_t>(end - block);
    if (left >= 64) return spaces(block);
    char copy[64];
    std::memset(copy, ' ', sizeof copy);
    std::memcpy(copy, block, left);
    return spaces(copy);
  }

  static uint64_t spaces(const char* block) {
    uint64_t spaces = 0;
#ifdef __SSE2__
    const __m128i blank = _mm_set1_epi8(' '), tab = _mm_set1_epi8('\t');
    const __m128i width = _mm_set1_epi8('\r' - '\t');
    for (int i = 0; i < 4; ++i) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * i));
      const __m128i from_tab = _mm_sub_epi8(bytes, tab);
      const __m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, blank),
                                         _mm_cmpeq_epi8(_mm_min_epu8(from_tab, width), from_tab));
      spaces |= static_cast<uint64_t>(static_cast<uint16_t>(_mm_movemask_epi8(found))) << (16 * i);
    }
#else
    for (int i = 0; i < 64; ++i) {
      spaces |= static_cast<uint64_t>(block[i] == ' ' || (block[i] >= '\t' && block[i] <= '\r'))
                << i;
    }
#endif
    return spaces;
  }
};
