// A USB test-and-measurement device by the kernel's character device, /dev/usbtmcN, as a link: the door to an
// instrument on its USB port (Keithley 2450, 2460, 2461).
//
// What the kernel does (drivers/usb/class/usbtmc.c, <linux/usb/tmc.h>), and what follows:
//   - A write() is one message, its end marked for the instrument. A read() asks the instrument for an answer and returns
//     at most one; of a longer one the next read() returns more. So one command is written at a time, and an answer is
//     asked for only after a question (a message with '?'): asking without one is an error in the instrument (-420).
//   - A read() blocks until the answer, or until the device's own time-out, then fails with ETIMEDOUT. poll() tells
//     nothing of an answer that is due: POLLIN belongs to the asynchronous ioctls, POLLPRI to service requests. So a thread
//     of the link reads, and the time-out is USBTMC_IOCTL_SET_TIMEOUT; it must be longer than the caller's patience.
//   - A read() that timed out leaves a transfer open: USBTMC_IOCTL_ABORT_BULK_IN, and USBTMC_IOCTL_CLEAR before anything
//     else is said. CLEAR also goes first after opening: what another program left unread is not our answer.
//   - Opening is not exclusive; flock() makes it so between programs that ask.
//
// close() returns at once and ends whatever waits; a read that blocks in the kernel ends by its time-out, and open() waits
// for that. No instrument was at hand: not tried on hardware are the time-outs of the kernel, ABORT and CLEAR, an
// instrument that is unplugged while a read blocks, and whether an answer of several lines (:TRIG:BLOC:LIST?) is one
// message. The tests have a device that keeps the boundaries of messages and counts the ioctls.
#pragma once
#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>

#include "drivers/link/address.h"
#include "drivers/link/byte_link.h"
#include "schema/units.h"

namespace cambench::link {

/// The system calls, as the kernel has them. A test puts another device behind them.
struct UsbtmcCalls {
  std::function<int(const char* path)>
      open;  ///< a descriptor, opened for reading and writing; else -1 and errno
  std::function<ssize_t(int descriptor, void* into, std::size_t size)> read;
  std::function<ssize_t(int descriptor, const void* from, std::size_t size)> write;
  std::function<int(int descriptor, unsigned long request, void* argument)> ioctl;
  std::function<void(int descriptor)> close;
};
UsbtmcCalls kernel_usbtmc();

constexpr Seconds usbtmc_timeout{5};  ///< of the kernel, for one read or write

std::unique_ptr<ByteLink> make_usbtmc_link(boost::asio::any_io_executor executor, const Address& address,
                                           UsbtmcCalls calls = kernel_usbtmc(),
                                           Seconds timeout = usbtmc_timeout);

}  // namespace cambench::link
