import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createServiceCompiler } from './compile.ts';
import { createRefusalEvents } from './refusal-events.ts';
import { testService } from './test-objects.ts';

test('createRefusalEvents tells of each refusal once, and again when it comes back', () => {
  const compiler = createServiceCompiler();
  const texts: string[] = [];
  const events = createRefusalEvents({
    nodeName: 'node-1',
    record: ({ kind, key }, { reason, message }) => texts.push(`${kind} ${key} ${reason}: ${message}`),
  });
  const odd = testService('odd', '127.0.0.1', [{ port: 80 }]);
  compiler.setService(odd);
  compiler.setService(testService('headless', 'None', [{ port: 80 }]));
  compiler.takeChange();
  events.planned(compiler.plan);
  events.planned(compiler.plan);
  const told =
    'Service default/odd NotCarriedOut: spec.clusterIPs[0] is 127.0.0.1, in the loopback range 127.0.0.0/8: node node-1 leaves it out';
  assert.deepEqual(texts, [told]);
  compiler.setService(testService('odd', '10.96.0.1', [{ port: 80 }]));
  events.changed(compiler.takeChange(), compiler.plan);
  compiler.setService(odd);
  events.changed(compiler.takeChange(), compiler.plan);
  assert.deepEqual(texts, [told, told]);
});

test('createRefusalEvents tells the younger of two Services with the same node port', () => {
  const compiler = createServiceCompiler();
  const texts: string[] = [];
  const events = createRefusalEvents({
    nodeName: 'node-1',
    record: ({ kind, key }, { message }) => texts.push(`${kind} ${key}: ${message}`),
  });
  for (const [name, ip] of [
    ['elder', '10.96.0.1'],
    ['younger', '10.96.0.2'],
  ] as const) {
    const ports = [{ port: 80, nodePort: 30_080 }];
    compiler.setService(testService(name, ip, [], { type: 'NodePort', ports }));
  }
  compiler.takeChange();
  events.planned(compiler.plan);
  assert.deepEqual(texts, [
    'Service default/younger: spec.ports[0].nodePort asks for node port 30080/tcp, which Service default/elder has had for longer: node node-1 leaves it out',
  ]);
});
