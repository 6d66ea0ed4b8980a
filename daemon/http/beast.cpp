// Beast is compiled here, once (BOOST_BEAST_SEPARATE_COMPILATION). Asio is in drivers/link/asio.cpp.
#include <boost/beast/src.hpp>
