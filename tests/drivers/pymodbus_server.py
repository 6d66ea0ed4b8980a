"""A press with the registers of drivers/maps/generic-press.toml on somebody else's Modbus stack (python3-pymodbus).

Without an argument it prints its TCP port on the loopback; with the path of a serial line it speaks RTU there, unit 1, and
prints 1. It serves until it is terminated. The pressure follows the set point at once while the mode is "run", and is 0
while it is "vent".
"""
import asyncio
import struct
import sys
import time

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server.async_io import ModbusSerialServer, ModbusTcpServer
from pymodbus.transaction import ModbusRtuFramer

COUNTER, PRESSURE, TARGET, UPTIME, COMMAND, MODE = 1, 2, 4, 8, 12, 13
WATCHDOG_MS, WATCHDOG_STATE, IDENTITY, VERSION, SELF_TEST, SERIAL = 14, 17, 32, 33, 34, 36
RUN, HOLD, VENT = 1, 2, 3


def words(fmt, value):
    data = struct.pack(">" + fmt, value)
    return list(struct.unpack(">%dH" % (len(data) // 2), data))


class Press(ModbusSequentialDataBlock):
    def __init__(self):
        super().__init__(0, [0] * 64)
        self.started = time.monotonic()
        self.put(MODE, [HOLD])
        self.put(IDENTITY, [0x5052, 1])
        self.put(SELF_TEST, words("f", 123.25))
        self.put(SERIAL, words("16s", b"PYMODBUS-7"))

    def put(self, address, values):
        self.values[address : address + len(values)] = values

    def getValues(self, address, count=1):
        uptime = time.monotonic() - self.started
        self.put(COUNTER, [int(uptime * 100) & 0xFFFF])
        self.put(UPTIME, words("I", int(uptime)))
        if self.values[MODE] == RUN:
            self.put(PRESSURE, self.values[TARGET : TARGET + 2])
        if self.values[MODE] == VENT:
            self.put(PRESSURE, [0, 0])
        return super().getValues(address, count)

    def setValues(self, address, values):
        super().setValues(address, values)
        if self.values[COMMAND]:
            self.put(MODE, [self.values[COMMAND]])
            self.put(COMMAND, [0])
        self.put(WATCHDOG_STATE, [1 if self.values[WATCHDOG_MS] else 0])


async def serve_tcp(context):
    server = ModbusTcpServer(context, address=("127.0.0.1", 0))
    serving = asyncio.ensure_future(server.serve_forever())
    await server.serving
    print(server.server.sockets[0].getsockname()[1], flush=True)
    await serving


async def serve_rtu(context, line):
    server = ModbusSerialServer(context, framer=ModbusRtuFramer, port=line, baudrate=19200)
    await server.start()
    if server.transport is None:  # it swallows the error
        sys.exit("cannot open " + line)
    print(1, flush=True)
    await server.serve_forever()


async def main():
    context = ModbusServerContext(slaves=ModbusSlaveContext(hr=Press(), zero_mode=True), single=True)
    await (serve_rtu(context, sys.argv[1]) if len(sys.argv) > 1 else serve_tcp(context))


asyncio.run(main())
