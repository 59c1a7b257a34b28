#pragma once
#include <map>
#include <memory>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "towpath/shared/dict_proxy.h"
#include "towpath/shared/list_proxy.h"
#include "towpath/shared/manager_options.h"
#include "towpath/shared/object_proxy.h"
#include "towpath/shared/queue_proxy.h"
#include "towpath/shared/set_proxy.h"
#include "towpath/shared/sync_proxies.h"
#include "towpath/shared/value_proxy.h"

namespace towpath {

// A process that holds objects for others, which reach them by proxies: containers, queues, locks,
// objects of your own classes; from this host or, over TCP with a key, from others.
//
//   Manager manager;
//   auto counts = manager.dict<std::string, int64_t>();
//   Process worker(count_words, counts, "a.txt");        // proxies are sent
//   counts.update("total", [](int64_t& n, int64_t by) { n += by; }, 5);
//
// Lifetime   of the process: until shutdown(), or this object's end, or that of the process that
//            made it. Its objects end with it. An object made by connect() ends nothing.
// Blocking   each call of a client has a thread of its own there: who waits holds up nobody.
// Errors     of starting: what the initializer threw, what Listener throws. All else: see Proxy.
// Deaths     of a client: what it referred to and held is given back. Of the manager: Closed for
//            its clients, also in calls that wait; nothing stays behind.
// Threads    any; shutdown() by one.
// Processes  proxies are sent; another process of the program connects by address() for more.
// Fork       a child may use it, and never ends it.
// Source     Python's multiprocessing.Manager, SyncManager and BaseManager. There a reference in
//            transit counts for nothing, a killed client's references and locks stay, remote
//            exceptions are text, and read-modify-write loses updates. It has no Pool: a class of
//            yours may hold one.
class Manager {
 public:
  // Starts it.
  explicit Manager(const ManagerOptions& options = {}) : Manager(options, Call{}) {}
  // Runs initializer(arguments...) there first.
  template <class F, class... A>
  Manager(const ManagerOptions& options, F initializer, A&&... arguments)
      : Manager(options, calls::make(initializer, std::forward<A>(arguments)...)) {}
  // To one that listens at an address. Closed: none. AuthenticationError: another key. Timeout.
  static Manager connect(const std::string& address, const ConnectOptions& options = {},
                         Millis timeout = kForever);
  Manager(Manager&&) noexcept;
  Manager& operator=(Manager&&) noexcept;  // what stood here before ends as by the destructor
  ~Manager();

  const std::string& address() const { return where_.address; }
  std::string name() const { return client()->server().name; }
  int pid() const { return static_cast<int>(client()->server().pid); }
  // Objects that something refers to. The end of a proxy is told a little later.
  uint64_t number_of_objects() const { return ask<uint64_t>("objects"); }

  // Ends it: what waits there ends, what runs has 5 s. One that is stopped (SIGSTOP, Ctrl-Z) can't
  // answer, and is killed after half a second. Twice is once. Invalid: it was not made here.
  void shutdown();

  template <class K, class V>
  DictProxy<K, V> dict(const std::vector<std::pair<K, V>>& items = {}) {
    auto made = make_served<DictProxy<K, V>>();
    if (!items.empty()) made.update(items);
    return made;
  }
  template <class T>
  ListProxy<T> list(const std::vector<T>& items = {}) {
    auto made = make_served<ListProxy<T>>();
    if (!items.empty()) made.extend(items);
    return made;
  }
  template <class T>
  SetProxy<T> set(const std::vector<T>& items = {}) {
    auto made = make_served<SetProxy<T>>();
    if (!items.empty()) made.update(items);
    return made;
  }
  // So many T{}, or what is in the range.
  template <class T>
  ArrayProxy<T> array(int64_t size) {
    const ListProxy<T> made = make_served<ListProxy<T>>();
    fill(made.id(), size, to_bytes(T{}));
    return as<ArrayProxy<T>>(made);
  }
  template <class T>
  ArrayProxy<T> array(const std::vector<T>& items) {
    return as<ArrayProxy<T>>(list<T>(items));
  }
  template <class T>
  ValueProxy<T> value(const T& value = T{}) {
    return make_served<ValueProxy<T>>(value);
  }
  NamespaceProxy name_space() { return make_served<NamespaceProxy>(); }
  // 0: no limit.
  template <class T = Object>
  QueueProxy<T> queue(uint64_t maxsize = 0) {
    return make_served<QueueProxy<T>>(maxsize);
  }

  LockProxy lock() { return make_served<LockProxy>(); }
  RLockProxy rlock() { return make_served<RLockProxy>(); }
  SemaphoreProxy semaphore(int64_t value = 1) { return make_served<SemaphoreProxy>(value, false); }
  SemaphoreProxy bounded_semaphore(int64_t value = 1) {
    return make_served<SemaphoreProxy>(value, true);
  }
  EventProxy event() { return make_served<EventProxy>(); }
  ConditionProxy condition() { return condition(rlock()); }
  ConditionProxy condition(const LockProxy& lock) { return make_served<ConditionProxy>(lock.id()); }
  ConditionProxy condition(const RLockProxy& lock) {
    return make_served<ConditionProxy>(lock.id());
  }
  // The action runs in the manager. Invalid below 1 party.
  BarrierProxy barrier(int64_t parties, void (*action)() = nullptr);

  // A T made there of the arguments. Unsupported over TCP: see ManagerOptions.types and create().
  template <Exposed T, class... A>
  ObjectProxy<T> make(A&&... arguments) {
    return ObjectProxy<T>(
        adopt(ask<uint64_t>("make_described", described_at(&managed::described<T>),
                            stored(std::forward<A>(arguments))...)));
  }
  // An object of a type that the manager knows by this name. Invalid names those there are.
  template <class T = void, class... A>
  ObjectProxy<T> create(const std::string& type, A&&... arguments) {
    return ObjectProxy<T>(
        adopt(ask<uint64_t>("make", type, stored(std::forward<A>(arguments))...)));
  }

  // Other clients find the object by a name; it lives until unpublish(). Invalid: the name is
  // taken.
  void publish(const std::string& name, const Proxy& object);
  bool unpublish(const std::string& name) { return ask<bool>("unpublish", name); }
  // Invalid: nothing has this name; or it is of another kind than P.
  template <std::derived_from<Proxy> P>
  P find(const std::string& name) {
    return P(find_published(name, P::kType));
  }

 private:
  friend class ManagerServer;
  struct Server;
  Manager(const ManagerOptions& options, Call initializer);
  explicit Manager(std::shared_ptr<managed::ManagerClient> client);

  std::shared_ptr<managed::ManagerClient> client() const;
  template <class R, class... A>
  R ask(std::string_view method, const A&... arguments) const {
    return managed::call_object<R>(client(), managed::kManager, method, arguments...);
  }
  template <class A>
  static calls::Stored<A&&> stored(A&& argument) {
    return calls::Stored<A&&>(std::forward<A>(argument));
  }
  template <class P, class... A>
  P make_served(const A&... arguments) {
    return P(adopt(ask<uint64_t>("make", std::string(P::kType), arguments...)));
  }
  template <class P>
  static P as(const Proxy& made) {
    return P(made.reference_);
  }
  std::shared_ptr<managed::Reference> adopt(uint64_t object) const {
    return client()->adopt(object);
  }
  std::shared_ptr<managed::Reference> find_published(const std::string& name,
                                                     std::string_view type);
  void fill(uint64_t list, int64_t size, const std::string& item);
  static CodeAddress described_at(managed::Describe describe);

  struct Link;

  managed::Where where_;
  std::unique_ptr<Link> link_;
  std::unique_ptr<Server> server_;  // that was started here
};

}  // namespace towpath
