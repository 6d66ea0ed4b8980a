// A value, or a Fault that says in one sentence what went wrong and where. No exceptions cross a wire.
#pragma once
#include <expected>
#include <string>
#include <utility>

namespace cambench {

/// What kind of thing failed, for code that reacts; `what` is for the person who reads it.
struct Fault {
  enum class Kind {
    timeout,     ///< nothing came in time
    link,        ///< the connection is gone or never was
    protocol,    ///< something came that the dialect does not allow
    instrument,  ///< the instrument refused or reported an error of its own
    identity,    ///< another instrument than the configured one answered
    refused,     ///< we refuse: outside limits, unsupported, inconsistent
    bad_value,   ///< a reading that is not a number one may act on
    input,       ///< a file or a person gave something that cannot be used
    storage,     ///< the store could not keep it
    cancelled    ///< we ended it ourselves
  };
  Kind kind = Kind::protocol;
  std::string what;  ///< a sentence without final stop: names the place and, where there is one, the mend
};

template <typename T>
using Result = std::expected<T, Fault>;

[[nodiscard]] inline std::unexpected<Fault> fail(Fault fault) { return std::unexpected(std::move(fault)); }
[[nodiscard]] inline std::unexpected<Fault> fail(Fault::Kind kind, std::string what) {
  return std::unexpected(Fault{kind, std::move(what)});
}

}  // namespace cambench
