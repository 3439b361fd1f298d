/** What every door to IPVS does: run against the kernel and against the fake. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isErrno } from '../ffi.ts';
import { type Ipvs, type VirtualServer, type VirtualServerKey, printKey } from './ipvs.ts';

const keys: readonly VirtualServerKey[] = [
  { address: '10.96.0.1', port: 80, protocol: 'tcp' },
  { address: '10.96.0.1', port: 80, protocol: 'udp' },
  { address: '10.96.0.1', port: 80, protocol: 'sctp' },
  { address: 'fd00:96::1', port: 80, protocol: 'tcp' },
  { mark: 7, family: 4 },
  { mark: 7, family: 6 },
];

/** `skip` says why a door cannot be tested here. */
export function testIpvs(name: string, open: () => Ipvs, skip: string | false = false): void {
  const withDoor = (run: (ipvs: Ipvs) => void) => () => {
    const ipvs = open();
    try {
      run(ipvs);
    } finally {
      ipvs.close();
    }
  };

  describe(`${name}, as every Ipvs`, { skip }, () => {
    for (const key of keys) {
      const isIpv4 = 'mark' in key ? key.family === 4 : !key.address.includes(':');
      const one = { address: isIpv4 ? '10.244.0.2' : 'fd00:244::2', port: 8080, weight: 1 };
      const two = { address: isIpv4 ? '10.244.1.2' : 'fd00:244:1::2', port: 8081, weight: 1 };
      const idle = { activeConnections: 0, inactiveConnections: 0 };

      test(
        `${printKey(key)}: lists what was added, set and not deleted`,
        withDoor((ipvs) => {
          const server: VirtualServer = { key, scheduler: 'rr' };
          ipvs.apply([
            { verb: 'add', server },
            { verb: 'add', key, real: one },
            { verb: 'add', key, real: two },
          ]);
          assert.deepEqual(ipvs.servers(), [server]);
          const listed = new Map(ipvs.realServers(key).map((real) => [real.address, real]));
          assert.deepEqual(
            listed,
            new Map([
              [one.address, { ...one, ...idle }],
              [two.address, { ...two, ...idle }],
            ]),
          );
          ipvs.apply([
            { verb: 'set', server: { ...server, persistenceSeconds: 60 } },
            { verb: 'set', key, real: { ...one, weight: 0 } },
            { verb: 'delete', key, real: two },
          ]);
          assert.deepEqual(ipvs.servers(), [{ ...server, persistenceSeconds: 60 }]);
          assert.deepEqual(ipvs.realServers(key), [{ ...one, weight: 0, ...idle }]);
          ipvs.apply([
            { verb: 'set', server },
            { verb: 'delete', key },
          ]);
          assert.deepEqual(ipvs.servers(), []);
        }),
      );

      test(
        `${printKey(key)}: failures name the command and its reason, and the rest is carried out`,
        withDoor((ipvs) => {
          const server: VirtualServer = { key, scheduler: 'rr' };
          ipvs.apply([{ verb: 'add', server }]);
          for (const [command, code] of [
            [{ verb: 'add', server }, 'EEXIST'],
            [{ verb: 'delete', key, real: one }, 'ENOENT'],
          ] as const) {
            assert.throws(
              () =>
                ipvs.apply([command, { verb: 'add', key, real: two }, { verb: 'delete', key, real: two }]),
              (error) => isErrno(error, code) && error.message.includes(printKey(key)),
            );
            assert.deepEqual(ipvs.realServers(key), []);
          }
          ipvs.apply([{ verb: 'delete', key }]);
          assert.throws(
            () => ipvs.apply([{ verb: 'delete', key }]),
            (error) => isErrno(error, 'ESRCH'),
          );
        }),
      );
    }
  });
}
