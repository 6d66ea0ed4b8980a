// The least that a bench may be, as configuration: a store, a station with a potentiostat, and the uncoated material.
#pragma once
#include <string>

namespace cambench::tests {

inline const std::string least_bench = R"([store]
path = "state/cambench.sqlite"
[[station]]
name = "A1"
[station.potentiostat]
driver = "methodscript"
port = "tcp://127.0.0.1:49152"
serial = "ES4HR20B0001"
[[material]]
id = "ncm-uncoated"
reference = true
)";

}  // namespace cambench::tests
