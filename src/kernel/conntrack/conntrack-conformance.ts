/** What the kernel and the fake must do alike. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Conntrack } from './conntrack.ts';
import { type ConntrackEntry, IP_PROTOCOL, printTuple } from './conntrack-entry.ts';

/** A flow that is to be remembered: made with real packets, or told to the fake. */
export interface TestFlow {
  readonly protocol: 'tcp' | 'udp';
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  /** Where destination NAT sends it. */
  readonly to?: { readonly address: string; readonly port: number };
}

export interface ConntrackFixture {
  readonly conntrack: Conntrack;
  /** Addresses flows can go between: both of the node itself. */
  readonly addresses: { readonly 4: string; readonly 6: string };
  readonly remember: (flow: TestFlow) => Promise<void>;
  close(): void;
}

export function testConntrack(name: string, create: () => Promise<ConntrackFixture>): void {
  async function withFlows(use: (fixture: ConntrackFixture) => Promise<void> | void): Promise<void> {
    const fixture = await create();
    try {
      const { addresses } = fixture;
      for (const family of [4, 6] as const) {
        const address = addresses[family];
        const between = { source: address, destination: address };
        // One after the other: flows from one address and port would be in each other's way.
        // oxlint-disable-next-line no-await-in-loop
        await fixture.remember({ ...between, protocol: 'udp', sourcePort: 4001, destinationPort: 53 });
        // oxlint-disable-next-line no-await-in-loop
        await fixture.remember({
          ...between,
          protocol: 'udp',
          sourcePort: 4002,
          destinationPort: 53,
          to: { address, port: 5353 },
        });
        // oxlint-disable-next-line no-await-in-loop
        await fixture.remember({ ...between, protocol: 'tcp', sourcePort: 4003, destinationPort: 80 });
      }
      await use(fixture);
    } finally {
      fixture.close();
    }
  }
  const flows = (entries: readonly ConntrackEntry[]): readonly string[] =>
    entries.map(({ original }) => printTuple(original)).toSorted();

  describe(name, () => {
    test('list() sifts by family, protocol, tuple and status', () =>
      withFlows(({ conntrack, addresses }) => {
        const { 4: v4, 6: v6 } = addresses;
        assert.deepEqual(flows(conntrack.list({ protocol: IP_PROTOCOL.udp })), [
          `udp ${v4}:4001 > ${v4}:53`,
          `udp ${v4}:4002 > ${v4}:53`,
          `udp [${v6}]:4001 > [${v6}]:53`,
          `udp [${v6}]:4002 > [${v6}]:53`,
        ]);
        assert.deepEqual(flows(conntrack.list({ family: 6, protocol: IP_PROTOCOL.tcp })), [
          `tcp [${v6}]:4003 > [${v6}]:80`,
        ]);
        assert.deepEqual(flows(conntrack.list({ family: 4, original: { sourcePort: 4001 } })), [
          `udp ${v4}:4001 > ${v4}:53`,
        ]);
        assert.deepEqual(flows(conntrack.list({ reply: { sourcePort: 5353 } })), [
          `udp ${v4}:4002 > ${v4}:53`,
          `udp [${v6}]:4002 > [${v6}]:53`,
        ]);
        assert.deepEqual(conntrack.list({ family: 4, mark: 7 }), []);
        assert.deepEqual(conntrack.list({ family: 4, zone: 7 }), []);
      }));

    test('list() tells where NAT sends a flow', () =>
      withFlows(({ conntrack, addresses }) => {
        const [entry] = conntrack.list({ family: 6, original: { sourcePort: 4002 } });
        assert.deepEqual(
          [entry?.reply.source, entry?.reply.sourcePort, entry?.reply.destination],
          [addresses[6], 5353, addresses[6]],
        );
        assert.ok((entry?.id ?? 0) > 0, 'an id');
        assert.ok((entry?.timeoutSeconds ?? 0) > 0, 'a timeout');
        assert.equal(entry?.zone, 0);
      }));

    test('delete() forgets exactly what it is given, once', () =>
      withFlows(({ conntrack, addresses: { 4: v4 } }) => {
        const doomed = conntrack
          .list({ protocol: IP_PROTOCOL.udp })
          .filter(({ family, original }) => family === 6 || original.sourcePort === 4001);
        assert.equal(doomed.length, 3);
        assert.equal(conntrack.delete([]), 0);
        assert.equal(conntrack.delete(doomed), 3);
        assert.deepEqual(flows(conntrack.list({ protocol: IP_PROTOCOL.udp })), [`udp ${v4}:4002 > ${v4}:53`]);
        assert.equal(conntrack.list({ protocol: IP_PROTOCOL.tcp }).length, 2);
        assert.equal(conntrack.delete(doomed), 0);
      }));

    test('count() counts flows of every kind', () =>
      withFlows(({ conntrack }) => assert.equal(conntrack.count(), 6)));
  });
}
