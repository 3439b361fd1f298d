/** VLANs of the bridge plugin. Kernels without them are told of; tests/e2e/cni-vlan-vm.test.ts runs this under Debian's. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isErrno } from '../../src/kernel/ffi.ts';
import { createNetns, enterNetns, withNetns } from '../../src/kernel/netns.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { type Call, debian, ours, withoutDebianPlugins } from './support/cni.ts';
import { type TestPod, addPod, closeAll, serve, sourceSeen } from './support/cni-pods.ts';

const scratch = mkdtempSync(join(tmpdir(), 'podnet-vlan-'));
const currentNode = createNetns();
enterNetns(currentNode);
const node = openRtnl();

const skip = missingVlans();

function missingVlans(): string | false {
  try {
    node.addLink({ kind: 'bridge', name: 'try', vlanFiltering: true });
    node.deleteLink('try');
    return false;
  } catch (error) {
    if (!isErrno(error, 'EOPNOTSUPP')) throw error;
    return 'this kernel has no bridge VLAN filtering (CONFIG_BRIDGE_VLAN_FILTERING)';
  }
}

before(async () => {
  node.setLink('lo', { up: true });
  await serve(currentNode);
});
after(() => {
  closeAll();
  node.close();
  rmSync(scratch, { recursive: true });
});

let networks = 0;

function network(
  bridge: string,
  keys: Readonly<Record<string, unknown>> = {},
): Call['config'] & { readonly name: string } {
  const index = ++networks;
  const ranges = [[{ subnet: `10.${index}.0.0/24` }], [{ subnet: `fd00:${index}::/64` }]];
  return {
    type: 'bridge',
    name: `net${index}`,
    bridge,
    ipam: { type: 'host-local', dataDir: scratch, ranges },
    ...keys,
  };
}

/** `10.N.0.99/24` on the pod's interface or on one of its VLANs. */
function addAddress({ netns }: TestPod, address: string, vlan?: number): void {
  withNetns(netns, () => {
    const link = vlan === undefined ? 'eth0' : `eth0.${vlan}`;
    if (vlan !== undefined) {
      execFileSync('ip', ['link', 'add', 'link', 'eth0', 'name', link, 'type', 'vlan', 'id', String(vlan)]);
      execFileSync('ip', ['link', 'set', link, 'up']);
    }
    execFileSync('ip', ['address', 'add', address, 'dev', link]);
  });
}

function vlansOf({ result }: TestPod): string[] {
  return node
    .bridgeVlans({ link: result.interfaces?.[1]?.name ?? '' })
    .map(({ first, last, pvid, untagged }) => {
      const range = first === last ? `${first}` : `${first}-${last}`;
      return `${range}${pvid ? ' pvid' : ''}${untagged ? ' untagged' : ''}`;
    });
}

test('pods of one VLAN reach each other and its gateway, and nobody of another VLAN', { skip }, async () => {
  const red = network('br0', { vlan: 100, isDefaultGateway: true });
  const blue = network('br0', { vlan: 200, isDefaultGateway: true });
  const [a, b, c] = [
    await addPod({ config: red }),
    await addPod({ config: red }),
    await addPod({ config: blue }),
  ];
  // On the link itself, without the node that routes between the VLANs.
  for (const [index, pod] of [a, b, c].entries()) addAddress(pod, `198.51.100.${index + 1}/24`);
  const gateways = (a.result.ips ?? []).map(({ gateway }) => gateway ?? '');
  const [same, other, ...gateway] = await Promise.all(
    ['198.51.100.2', '198.51.100.3', ...b.addresses, ...gateways].map((to) => sourceSeen(a.netns, to)),
  );
  assert.equal(same, '198.51.100.1');
  assert.match(other ?? '', /timeout|EHOSTUNREACH/);
  assert.deepEqual(gateway, [...a.addresses, ...a.addresses]);
  assert.deepEqual(vlansOf(a), ['1 untagged', '100 pvid untagged']);
  const addresses = new Set(node.addresses({ link: 'br0.100' }).map(({ address }) => address));
  assert.ok(gateways.every((address) => addresses.has(address)));
  for (const pod of [a, b, c]) {
    await ours('CHECK', pod.call);
    await ours('DEL', pod.call);
  }
});

test('vlanTrunk lets tagged frames of its VLANs pass and no others', { skip }, async () => {
  const trunk = network('br1', { vlanTrunk: [{ minID: 300, maxID: 302 }, { id: 310 }] });
  const [a, b] = [await addPod({ config: trunk }), await addPod({ config: trunk })];
  for (const [index, pod] of [a, b].entries()) {
    for (const vlan of [301, 310, 305]) addAddress(pod, `198.51.${vlan - 300}.${index + 1}/24`, vlan);
  }
  const [inRange, single, outside] = await Promise.all(
    ['198.51.1.2', '198.51.10.2', '198.51.5.2'].map((to) => sourceSeen(a.netns, to)),
  );
  assert.deepEqual([inRange, single], ['198.51.1.1', '198.51.10.1']);
  assert.match(outside ?? '', /timeout|EHOSTUNREACH/);
  assert.deepEqual(vlansOf(a), ['1 pvid untagged', '300-302', '310']);
});

test('preserveDefaultVlan false takes the port out of VLAN 1; CHECK misses VLANs', { skip }, async () => {
  const config = network('br2', { vlan: 100, vlanTrunk: [{ id: 5 }], preserveDefaultVlan: false });
  const pod = await addPod({ config });
  assert.deepEqual(vlansOf(pod), ['5', '100 pvid untagged']);
  await ours('CHECK', pod.call);
  node.deleteBridgeVlan({ link: pod.result.interfaces?.[1]?.name ?? '', first: 5 });
  await assert.rejects(ours('CHECK', pod.call), /is not in VLAN 5/);
});

test('vlan leaves what Debian’s bridge does', { skip: skip || withoutDebianPlugins }, async () => {
  const states: unknown[] = [];
  for (const by of [ours, debian]) {
    const config = { cniVersion: '1.0.0', ...network('br3', { vlan: 100, isGateway: true }) };
    networks--;
    const pod = await addPod({ config }, by);
    const gateway = node.addresses({ link: 'br3.100', family: 4 });
    states.push({
      vlans: vlansOf(pod),
      filtering: node.link('br3')?.bridge?.vlanFiltering,
      gateway: gateway.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
      ips: pod.result.ips,
    });
    await by('DEL', pod.call);
    for (const link of ['br3.100', 'br3']) node.deleteLink(link);
    rmSync(join(scratch, config.name), { recursive: true });
  }
  assert.deepEqual(states[0], states[1]);
});
