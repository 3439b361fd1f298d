import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { Client } from '../../src/cluster/client.ts';
import { createFakeTransport } from '../../src/cluster/fake-transport.ts';
import { nodes } from '../../src/cluster/resources.ts';
import { applyRoutes, FABRIC_ROUTE_PROTOCOL, removeRoutes } from '../../src/fabric/apply-routes.ts';
import { compile } from '../../src/fabric/compile.ts';
import { egressInPlace, egressRules } from '../../src/fabric/egress.ts';
import { createFabric } from '../../src/fabric/fabric.ts';
import type { Node } from '../../src/model/objects.ts';
import { createNetns, withNetns, type Netns } from '../../src/kernel/netns.ts';
import { openNftables } from '../../src/kernel/nftables/nftables.ts';
import { openRtnl, type Rtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { missingPrograms } from '../../src/kernel/process.ts';

const clusterCidrs = ['10.244.0.0/16', 'fd00:244::/56'];

function node(index: number): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `node-${index}`, creationTimestamp: `2026-01-0${index}T00:00:00Z` },
    spec: { podCIDRs: [`10.244.${index}.0/24`, `fd00:244:0:${index}::/64`] },
    status: {
      addresses: [
        { type: 'InternalIP', address: `172.18.0.${index + 1}` },
        { type: 'InternalIP', address: `fd00:18::${index + 1}` },
      ],
    },
  };
}

/** node-1, with an uplink to nowhere. */
function nodeNamespace(): { netns: Netns; rtnl: Rtnl } {
  const netns = createNetns();
  const rtnl = openRtnl({ netns });
  rtnl.setLink('lo', { up: true });
  rtnl.addLink({ kind: 'veth', name: 'eth0', peer: { name: 'far' } });
  rtnl.setLink('far', { up: true });
  rtnl.setLink('eth0', { up: true });
  rtnl.addAddress({ link: 'eth0', address: '172.18.0.2', prefixLength: 24 });
  rtnl.addAddress({ link: 'eth0', address: 'fd00:18::2', prefixLength: 64, noDad: true });
  return { netns, rtnl };
}

/** `ip route`, less what the kernel makes by itself. */
function listRoutes(netns: Netns, family: '-4' | '-6'): string[] {
  const text = withNetns(netns, () => execFileSync('ip', [family, 'route'], { encoding: 'utf8' }));
  return text
    .split('\n')
    .filter((line) => line.includes(`proto ${FABRIC_ROUTE_PROTOCOL}`))
    .map((line) => line.trim().replaceAll(/ +/g, ' '));
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `still waiting for ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

test('applyRoutes makes the kernel equal to the plan, repairs it and removes what is stale', (t) => {
  if (missingPrograms(['ip']).length > 0) return t.skip('ip is not installed');
  const { netns, rtnl } = nodeNamespace();
  const plan = compile([node(1), node(2), node(3)], { nodeName: 'node-1', clusterCidrs });
  assert.equal(applyRoutes(rtnl, plan).replaced.length, 8);
  assert.deepEqual(listRoutes(netns, '-4'), [
    'unreachable 10.244.0.0/16 proto 90',
    'unreachable 10.244.1.0/24 proto 90',
    '10.244.2.0/24 via 172.18.0.3 dev eth0 proto 90',
    '10.244.3.0/24 via 172.18.0.4 dev eth0 proto 90',
  ]);
  assert.deepEqual(listRoutes(netns, '-6').slice(0, 2), [
    'unreachable fd00:244:0:1::/64 dev lo proto 90 metric 1024 pref medium',
    'fd00:244:0:2::/64 via fd00:18::3 dev eth0 proto 90 metric 1024 pref medium',
  ]);
  const again = applyRoutes(rtnl, plan);
  assert.deepEqual([again.replaced, again.deleted], [[], []]);

  rtnl.deleteRoute({ dst: '10.244.2.0/24' });
  rtnl.replaceRoute({ dst: '10.244.3.0/24', gateway: '172.18.0.99' });
  rtnl.replaceRoute({ dst: '192.0.2.0/24', gateway: '172.18.0.99' });
  const fewer = compile([node(1), node(2)], { nodeName: 'node-1', clusterCidrs });
  rtnl.replaceRoute({ dst: '10.244.3.0/24', gateway: '172.18.0.4', protocol: FABRIC_ROUTE_PROTOCOL });
  const repaired = applyRoutes(rtnl, fewer);
  assert.deepEqual(repaired.replaced, ['10.244.2.0/24 via 172.18.0.3']);
  assert.deepEqual([...repaired.deleted].sort(), ['10.244.3.0/24', 'fd00:244:0:3::/64']);
  assert.ok(
    rtnl.routes().some(({ dst }) => dst === '192.0.2.0/24'),
    'the route of somebody else stays',
  );

  removeRoutes(rtnl);
  assert.deepEqual([...listRoutes(netns, '-4'), ...listRoutes(netns, '-6')], []);
});

test('applyRoutes names the node whose address is on no network of this one', () => {
  const { rtnl } = nodeNamespace();
  const far = { ...node(2), status: { addresses: [{ type: 'InternalIP', address: '192.0.2.7' }] } };
  const plan = compile([node(1), far], { nodeName: 'node-1', clusterCidrs: ['10.244.0.0/16'] });
  const { errors } = applyRoutes(rtnl, plan);
  assert.deepEqual(
    errors.map(({ code, where }) => [code, where]),
    [['node-not-adjacent', 'node node-2 spec.podCIDRs[0]']],
  );
});

test('egressRules reads back from nft as it was meant', (t) => {
  if (missingPrograms(['nft']).length > 0) return t.skip('nft is not installed');
  const { netns } = nodeNamespace();
  const nftables = openNftables({ netns });
  const { egress } = compile([node(1), node(2)], { nodeName: 'node-1', clusterCidrs });
  for (let time = 0; time < 2; time++) nftables.apply(egressRules(egress));
  assert.ok(egressInPlace(nftables, egress));
  const listed = withNetns(netns, () =>
    execFileSync('nft', ['list', 'table', 'ip', 'podnet-fabric'], { encoding: 'utf8' }),
  );
  assert.equal(
    listed,
    `table ip podnet-fabric {
	comment "podnet: egress of this node’s pods"
	set nodes {
		type ipv4_addr
		comment "they know the way back to the pods"
		elements = { 172.18.0.2, 172.18.0.3 }
	}

	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr 10.244.1.0/24 ip daddr != 10.244.0.0/16 ip daddr != 224.0.0.0/4 ip daddr != @nodes masquerade fully-random
	}
}
`,
  );
});

test('createFabric follows the Nodes and repairs what others break', async () => {
  const { rtnl, netns } = nodeNamespace();
  const client = new Client(createFakeTransport());
  for (const object of [node(1), node(2)]) await client.create(nodes, object);
  const nftables = openNftables({ netns });
  const fabric = createFabric({
    client,
    nodeName: 'node-1',
    rtnl,
    nftables,
    clusterCidrs,
  });
  const stop = new AbortController();
  const running = fabric.run(stop.signal);
  const has = (dst: string): boolean =>
    rtnl.routes().some((route) => route.dst === dst && route.protocol === FABRIC_ROUTE_PROTOCOL);
  try {
    await fabric.ready;
    assert.ok(has('10.244.2.0/24'));
    rtnl.deleteRoute({ dst: '10.244.2.0/24' });
    await until(() => has('10.244.2.0/24'), 'the deleted route to come back');
    rtnl.setLink('eth0', { up: false });
    assert.ok(!has('10.244.2.0/24'));
    rtnl.setLink('eth0', { up: true });
    await until(() => has('10.244.2.0/24'), 'the routes to come back with the uplink');
  } finally {
    stop.abort();
    await running;
  }
  fabric.cleanup();
  assert.ok(!has('10.244.2.0/24'));
});
