import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../model/objects.ts';
import { compile } from './compile.ts';
import { isMasqueraded, printRoutePlan, routeFor, type RoutePlan } from './plan.ts';

const clusterCidrs = ['10.244.0.0/16'];

interface NodeOptions {
  readonly podCidrs?: readonly string[];
  readonly addresses?: readonly string[];
  readonly created?: string;
}

function node(name: string, { podCidrs = [], addresses = [], created = '2026-01-01' }: NodeOptions): Node {
  return {
    metadata: { name, creationTimestamp: `${created}T00:00:00Z` },
    spec: { podCIDRs: [...podCidrs] },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  };
}

const node1 = node('node-1', { podCidrs: ['10.244.1.0/24'], addresses: ['172.18.0.2'] });
const node2 = node('node-2', { podCidrs: ['10.244.2.0/24'], addresses: ['172.18.0.3'] });

function plan(nodes: readonly Node[], cidrs: readonly string[] = clusterCidrs): RoutePlan {
  return compile(nodes, { nodeName: 'node-1', clusterCidrs: cidrs });
}

test('compile prints a route to every other node, with the field that decides it', () => {
  assert.equal(
    printRoutePlan(plan([node2, node1])),
    `unreachable 10.244.0.0/16  # cluster clusterCIDR
unreachable 10.244.1.0/24  # node node-1 spec.podCIDRs[0]
10.244.2.0/24 via 172.18.0.3  # node node-2 spec.podCIDRs[0]
masquerade from 10.244.1.0/24 to all but 10.244.0.0/16, 172.18.0.2, 172.18.0.3`,
  );
});

test('compile routes each IP family by the node’s address of that family', () => {
  const dual = node('node-2', {
    podCidrs: ['10.244.2.0/24', 'fd00:2::/64'],
    addresses: ['172.18.0.3', 'FD00:18:0::3'],
  });
  const routes = plan([node1, dual]).routes.filter(({ type }) => type === 'unicast');
  assert.deepEqual(
    routes.map(({ dst, gateway }) => `${dst} ${gateway}`),
    ['10.244.2.0/24 172.18.0.3', 'fd00:2::/64 fd00:18::3'],
  );
});

test('compile takes spec.podCIDR of a node without spec.podCIDRs', () => {
  const old: Node = { ...node2, spec: { podCIDR: '10.244.2.0/24' } };
  assert.equal(plan([node1, old]).routes.at(-1)?.reason.field, 'spec.podCIDR');
});

test('compile gives no route to a node whose fields make no sense, and names the field', () => {
  const cases: readonly [Node, string][] = [
    [node('bad', { podCidrs: ['10.244.300.0/24'], addresses: ['172.18.0.9'] }), 'bad-pod-cidr'],
    [node('bad', { podCidrs: ['10.244.9.0/24'] }), 'node-without-address'],
    [node('bad', { podCidrs: ['10.244.9.0/24'], addresses: ['fd00::9'] }), 'node-without-address'],
    [node('bad', { podCidrs: ['172.18.0.0/16'], addresses: ['172.18.0.9'] }), 'pod-cidr-holds-node'],
  ];
  for (const [bad, code] of cases) {
    const { problems, routes } = plan([node1, node2, bad]);
    assert.deepEqual(
      problems.map((problem) => [problem.code, problem.reason.object]),
      [[code, 'node bad']],
    );
    assert.deepEqual(
      routes.filter(({ type }) => type === 'unicast').map(({ dst }) => dst),
      ['10.244.2.0/24'],
    );
  }
});

test('compile warns of a node without an address only when it has reported', () => {
  const fresh = { ...node('node-3', { podCidrs: ['10.244.3.0/24'] }), status: {} };
  const reported = { ...fresh, status: { conditions: [{ type: 'Ready', status: 'True' }] } };
  const levels = (of: Node): string[] => plan([node1, of]).problems.map(({ level }) => level);
  assert.deepEqual(levels(fresh), ['info']);
  assert.deepEqual(levels(reported), ['warning']);
  assert.deepEqual(levels(node('node-3', { podCidrs: ['10.244.3.0/24'] })), ['warning']);
});

test('compile lets the older of two nodes keep a pod CIDR they both claim', () => {
  const thief = node('a-thief', {
    podCidrs: ['10.244.2.128/25'],
    addresses: ['172.18.0.9'],
    created: '2026-02-01',
  });
  const wide = node('wide', {
    podCidrs: ['10.244.0.0/17'],
    addresses: ['172.18.0.8'],
    created: '2026-03-01',
  });
  const { problems, routes } = plan([thief, wide, node2, node1]);
  assert.deepEqual(
    routes.filter(({ type }) => type === 'unicast').map(({ dst, gateway }) => `${dst} ${gateway}`),
    ['10.244.2.0/24 172.18.0.3'],
  );
  assert.deepEqual(problems.map(({ reason }) => reason.object).sort(), ['node a-thief', 'node wide']);
});

test('compile of a node that has nothing yet masquerades nothing', () => {
  const empty = plan([node2]);
  assert.deepEqual(empty.egress.podCidrs, []);
  assert.equal(isMasqueraded(empty, { source: '10.244.1.5', destination: '1.1.1.1' }), false);
});

test('routeFor finds the longest prefix', () => {
  const both = plan([node1, node2]);
  assert.equal(routeFor(both, '10.244.2.7')?.gateway, '172.18.0.3');
  assert.equal(routeFor(both, '10.244.1.7')?.reason.object, 'node node-1');
  assert.equal(routeFor(both, '10.244.9.7')?.type, 'unreachable');
  assert.equal(routeFor(both, '192.0.2.1'), undefined);
});

test('isMasqueraded: pods keep their source among pods and to nodes, not beyond', () => {
  const both = plan([node1, node2]);
  const from = (source: string, destination: string): boolean => isMasqueraded(both, { source, destination });
  assert.equal(from('10.244.1.5', '203.0.113.10'), true);
  assert.equal(from('10.244.1.5', '172.18.0.1'), true, 'a router that is no node knows no way back');
  assert.equal(from('10.244.1.5', '172.18.0.3'), false);
  assert.equal(from('10.244.1.5', '10.244.2.5'), false);
  assert.equal(from('10.244.1.5', '224.0.0.251'), false);
  assert.equal(from('172.18.0.2', '203.0.113.10'), false);
});
