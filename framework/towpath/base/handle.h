#pragma once
#include <concepts>
#include <string>
#include <string_view>

namespace towpath {

// The name of something in a session's folder, by which other processes open it. It is what travels
// when a Lock, an Event or shared memory is sent.
struct Handle {
  std::string session;  // its id: the name of its folder
  std::string name;     // of the file there

  std::string text() const { return session + "/" + name; }
  // Of text(). Invalid when it could name anything outside of a session's folder.
  static Handle parse(std::string_view text);
  std::string path() const;  // of the file

  bool operator==(const Handle&) const = default;
};

// A type whose objects travel as their Handle; open() makes another object of the same thing.
template <class T>
concept HasHandle = requires(const T& object, const Handle& handle) {
  { object.handle() } -> std::convertible_to<Handle>;
  { T::open(handle) } -> std::same_as<T>;
};

}  // namespace towpath
