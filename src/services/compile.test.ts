import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EndpointSlice, Service } from '../model/objects.ts';
import { type CompileOptions, type ServiceCompiler, compile, createServiceCompiler } from './compile.ts';
import { UNKNOWN_NODE, findPort } from './plan.ts';
import { printPlan } from './print-plan.ts';
import { testService, testSlice } from './test-objects.ts';

const http = { name: 'http', port: 80 };
const http8080 = { name: 'http', port: 8080 };

function plan(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  options?: CompileOptions,
): string {
  return printPlan(compile(services, slices, options));
}

describe('compile', () => {
  test('gives every ready endpoint of every slice the port its slice says', () => {
    const metrics = { name: 'metrics', port: 90, protocol: 'UDP' } as const;
    const service = testService('web', '10.96.0.1', [http, metrics]);
    const slices = [
      testSlice('web', 'b', [{ name: 'http', port: 8081 }], [{ address: '10.244.1.2', nodeName: 'node-2' }]),
      testSlice(
        'web',
        'a',
        [http8080, { name: 'metrics', port: 9090, protocol: 'UDP' }],
        [
          { address: '10.244.0.2', nodeName: 'node-1', pod: 'web-1' },
          { address: '10.244.0.3', ready: true },
        ],
      ),
    ];
    assert.equal(
      plan([service], slices),
      `\
10.96.0.1:80/tcp  Service default/web spec.ports[0] "http": 3 endpoints, ready
  to 10.244.0.2:8080  EndpointSlice default/web-a endpoints[0] Pod default/web-1 on node-1
  to 10.244.0.3:8080  EndpointSlice default/web-a endpoints[1]
  to 10.244.1.2:8081  EndpointSlice default/web-b endpoints[0] on node-2
10.96.0.1:90/udp  Service default/web spec.ports[1] "metrics": 2 endpoints, ready
  to 10.244.0.2:9090  EndpointSlice default/web-a endpoints[0] Pod default/web-1 on node-1
  to 10.244.0.3:9090  EndpointSlice default/web-a endpoints[1]
  not 10.244.1.2  EndpointSlice default/web-b endpoints[0] on node-2: ports has no UDP port "metrics"
`,
    );
  });

  test('takes terminating endpoints that serve only when none is ready', () => {
    const service = testService('web', '10.96.0.1', [http]);
    const leaving = { address: '10.244.0.2', ready: false, serving: true, terminating: true };
    const gone = { address: '10.244.0.3', ready: false, serving: false, terminating: true };
    const starting = { address: '10.244.0.4', ready: false };
    assert.equal(
      plan([service], [testSlice('web', 'a', [http8080], [leaving, gone, starting])]),
      `\
10.96.0.1:80/tcp  Service default/web spec.ports[0] "http": 1 endpoint, serving while terminating
  to 10.244.0.2:8080  EndpointSlice default/web-a endpoints[0]
  not 10.244.0.3  EndpointSlice default/web-a endpoints[1]: conditions.terminating is true
  not 10.244.0.4  EndpointSlice default/web-a endpoints[2]: conditions.ready is false
`,
    );
    assert.equal(
      plan([service], [testSlice('web', 'a', [http8080], [leaving, { address: '10.244.0.5' }])]),
      `\
10.96.0.1:80/tcp  Service default/web spec.ports[0] "http": 1 endpoint, ready
  to 10.244.0.5:8080  EndpointSlice default/web-a endpoints[1]
  not 10.244.0.2  EndpointSlice default/web-a endpoints[0]: conditions.terminating is true and others are ready
`,
    );
  });

  test('takes all endpoints with publishNotReadyAddresses', () => {
    const service = testService('db', '10.96.0.1', [http], { publishNotReadyAddresses: true });
    const slices = [
      testSlice('db', 'a', [http8080], [{ address: '10.244.0.2', ready: false }, { address: '10.244.0.3' }]),
    ];
    assert.match(plan([service], slices), /2 endpoints, publishNotReadyAddresses/u);
  });

  test('rejects what has no endpoint', () => {
    assert.equal(
      plan([testService('web', '10.96.0.1', [{ port: 80 }])], []),
      '10.96.0.1:80/tcp  Service default/web spec.ports[0]: reject, no endpoints\n',
    );
  });

  test('leaves alone what is not its own, and says why', () => {
    const labelled = testService('mesh', '10.96.0.5', [http]);
    const services = [
      testService('headless', 'None', [http]),
      testService('external', [], [http], { type: 'ExternalName', externalName: 'example.org' }),
      testService('dns', '10.96.0.10', [{ name: 'dns', port: 53, protocol: 'UDP' }]),
      testService('new', '', [http]),
      testService('odd', ['10.96.0.300'], [http]),
      {
        ...labelled,
        metadata: { ...labelled.metadata, labels: { 'service.kubernetes.io/service-proxy-name': 'mesh' } },
      },
    ];
    assert.equal(
      plan(services, [], { localAddresses: ['10.96.0.10'] }),
      `\
default/dns: left alone, spec.clusterIPs[0] is 10.96.0.10, which this node answers on itself
default/external: left alone, spec.type is ExternalName
default/headless: left alone, spec.clusterIP is None
default/mesh: left alone, metadata.labels gives it to the proxy "mesh"
default/new: left alone, spec.clusterIP is not allocated yet
default/odd: refused, spec.clusterIPs[0] is "10.96.0.300", which is no address
`,
    );
  });

  test("refuses to take the node's own addresses for a Service, as soon as they are known", () => {
    const own = '172.18.0.2';
    const compiler = createServiceCompiler();
    compiler.setService(testService('greedy', '10.96.0.1', [{ port: 22 }], { externalIPs: [own] }));
    compiler.setService({
      ...testService('balanced', '10.96.0.2', [{ port: 22 }], { type: 'LoadBalancer' }),
      status: { loadBalancer: { ingress: [{ ip: own }] } },
    });
    compiler.takeChange();
    assert.ok(compiler.plan.ports.has(`${own}:22/tcp`));
    compiler.setNode({ ...UNKNOWN_NODE, name: 'node-1', addresses: [own] });
    compiler.takeChange();
    assert.ok(!compiler.plan.ports.has(`${own}:22/tcp`));
    assert.deepEqual(
      [...compiler.plan.ignored].map(([key, [each]]) => `${key}: ${each?.field} ${each?.reason}`).sort(),
      [
        `default/balanced: status.loadBalancer.ingress[0].ip is ${own}, the own address of a node`,
        `default/greedy: spec.externalIPs[0] is ${own}, the own address of a node`,
      ],
    );
    assert.ok([...compiler.plan.ignored.values()].flat().every(({ refused }) => refused));
    compiler.setNode({ ...UNKNOWN_NODE, name: 'node-2' });
    compiler.takeChange();
    assert.ok(compiler.plan.ports.has(`${own}:22/tcp`));
    compiler.setNode({ ...UNKNOWN_NODE, name: 'node-2', otherNodes: [own] });
    compiler.takeChange();
    assert.ok(!compiler.plan.ports.has(`${own}:22/tcp`));
  });

  test('keeps the families apart', () => {
    const service = testService('dual', ['10.96.0.1', 'fd00:96::1'], [http]);
    const slices = [
      testSlice('dual', '4', [http8080], [{ address: '10.244.0.2' }]),
      testSlice('dual', '6', [http8080], [{ address: 'fd00:244:0::2' }]),
    ];
    assert.equal(
      plan([service], slices),
      `\
10.96.0.1:80/tcp  Service default/dual spec.ports[0] "http": 1 endpoint, ready
  to 10.244.0.2:8080  EndpointSlice default/dual-4 endpoints[0]
[fd00:96::1]:80/tcp  Service default/dual spec.ports[0] "http": 1 endpoint, ready
  to [fd00:244::2]:8080  EndpointSlice default/dual-6 endpoints[0]
`,
    );
  });

  test('counts an address once that two slices have, in its better state', () => {
    const service = testService('web', '10.96.0.1', [http]);
    const slices = [
      testSlice('web', 'a', [http8080], [{ address: '10.244.0.2', ready: false }]),
      testSlice('web', 'b', [http8080], [{ address: '10.244.0.2' }, { address: 'nonsense' }]),
    ];
    assert.equal(
      plan([service], slices),
      `\
10.96.0.1:80/tcp  Service default/web spec.ports[0] "http": 1 endpoint, ready
  to 10.244.0.2:8080  EndpointSlice default/web-b endpoints[0]
  not nonsense  EndpointSlice default/web-b endpoints[1]: addresses[0] is not an IPv4 address
default/web: refused, EndpointSlice default/web-b endpoints[1].addresses[0] is "nonsense", not an IPv4 address
`,
    );
  });

  test('gives an address that two Services claim to the elder', () => {
    const elder = testService('b', '10.96.0.1', [http]);
    const younger = testService('a', '10.96.0.1', [http]);
    const at = (service: Service, creationTimestamp: string): Service => ({
      ...service,
      metadata: { ...service.metadata, creationTimestamp },
    });
    const services = [at(younger, '2026-02-01T00:00:00Z'), at(elder, '2026-01-01T00:00:00Z')];
    const found = findPort(compile(services, []), { address: '10.96.0.1', port: 80, protocol: 'tcp' });
    assert.equal(found?.service, 'default/b');
  });
});

function assertNothing(compiler: ServiceCompiler): void {
  const { set, removed, node } = compiler.takeChange();
  assert.deepEqual({ set, removed, node }, { set: [], removed: [], node: undefined });
}

describe('ServiceCompiler takeChange()', () => {
  const service = testService('web', '10.96.0.1', [http]);
  const slice = (...addresses: readonly string[]): EndpointSlice =>
    testSlice(
      'web',
      'a',
      [http8080],
      addresses.map((address) => ({ address })),
    );

  test('tells only of what became different', () => {
    const compiler = createServiceCompiler();
    compiler.setSlice(slice('10.244.0.2'));
    assertNothing(compiler);
    compiler.setService(service);
    compiler.setService(testService('other', '10.96.0.2', [http]));
    assert.deepEqual(
      compiler.takeChange().set.map((port) => [port.address, port.inside.endpoints.length]),
      [
        ['10.96.0.1', 1],
        ['10.96.0.2', 0],
      ],
    );
    compiler.setService(structuredClone(service));
    compiler.setSlice(slice('10.244.0.2'));
    assertNothing(compiler);
    compiler.setSlice(slice('10.244.0.2', '10.244.0.3'));
    assert.deepEqual(
      compiler.takeChange().set.map((port) => port.inside.endpoints.length),
      [2],
    );
    compiler.deleteSlice('default/web-a');
    assert.deepEqual(
      compiler.takeChange().set.map((port) => port.inside.endpoints.length),
      [0],
    );
    compiler.deleteService('default/web');
    assert.deepEqual(
      compiler.takeChange().removed.map((port) => port.service),
      ['default/web'],
    );
  });

  test('follows a slice to another Service, and a Service to another address', () => {
    const compiler = createServiceCompiler();
    compiler.setService(service);
    compiler.setSlice(slice('10.244.0.2'));
    compiler.takeChange();
    compiler.setService(testService('web', '10.96.0.9', [http]));
    const { set, removed } = compiler.takeChange();
    assert.deepEqual(
      [set.map((port) => port.address), removed.map((port) => port.address)],
      [['10.96.0.9'], ['10.96.0.1']],
    );
    const moved = slice('10.244.0.2');
    compiler.setSlice({
      ...moved,
      metadata: { ...moved.metadata, labels: { 'kubernetes.io/service-name': 'none' } },
    });
    assert.deepEqual(
      compiler.takeChange().set.map((port) => port.inside.endpoints),
      [[]],
    );
  });
});
