#pragma once
#include <initializer_list>
#include <string>
#include <utility>

#include "towpath/shared/referent.h"

namespace towpath::managed {

// The type of a class of ours: its methods read their arguments and write their result themselves.
template <class T>
ObjectType served_type(
    std::string name, std::initializer_list<std::pair<const char*, void (T::*)(Invocation&)>> all) {
  ObjectType type;
  type.name = std::move(name);
  type.make = [](Invocation& call) -> std::shared_ptr<Referent> {
    return std::make_shared<T>(call);
  };
  for (const auto& [method, member] : all) {
    type.methods[method].call = [member = member](Referent& object, Invocation& call) {
      (static_cast<T&>(object).*member)(call);
    };
  }
  return type;
}

}  // namespace towpath::managed
