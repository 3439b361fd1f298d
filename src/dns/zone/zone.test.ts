import assert from 'node:assert/strict';
import { test } from 'node:test';

import { array, assert as assertProperty, boolean, nat, property, tuple } from 'fast-check';

import { nameKey } from '../wire/name.ts';
import { compileApex, compileService } from './compile.ts';
import { fixtureOptions, fixtureServices, fixtureZone } from './fixture.ts';
import { explainRecord, printRecords } from './plan.ts';
import { createZone, type Zone } from './zone.ts';

test('printRecords shows each record and where it comes from', () => {
  const [web] = fixtureServices;
  assert.ok(web);
  const { records } = compileService(web.service, web.slices, fixtureOptions);
  const lines = printRecords(records).split('\n');
  assert.equal(lines.length, 8);
  assert.match(
    printRecords(records),
    /^web\.default\.svc\.cluster\.local\. +5 +A +10\.96\.0\.20 +; Service default\/web spec\.clusterIPs\[0\]$/m,
  );
  assert.match(
    printRecords(records),
    /^10-244-1-3\.web\.default\.svc\.cluster\.local\. .* ; EndpointSlice default\/web-1 endpoints\[0\]\.addresses\[0\]$/m,
  );
});

test('explainRecord is a sentence of record, object, field and value', () => {
  const [record] = fixtureZone().lookup('_http._tcp.web.default.svc.cluster.local');
  assert.ok(record);
  assert.equal(
    explainRecord(record),
    '_http._tcp.web.default.svc.cluster.local has the SRV record 0 100 80 web.default.svc.cluster.local. ' +
      'because spec.ports[0].port of Service default/web is 80',
  );
});

test('compileApex states the name server and the schema version', () => {
  const names = compileApex(fixtureOptions).records.map(({ name, data }) => `${name} ${data.type}`);
  assert.deepEqual(names, ['cluster.local NS', 'ns.dns.cluster.local A', 'dns-version.cluster.local TXT']);
});

test('compileService leaves out what has no form on the wire, and says so', () => {
  const { records, problems } = compileService(
    {
      metadata: { namespace: 'default', name: 'odd' },
      spec: { clusterIP: '10.96.0.300', ports: [{ name: 'x'.repeat(70), port: 80 }] },
    },
    [
      { metadata: { name: 'f' }, addressType: 'FQDN', endpoints: [{ addresses: ['example.com'] }] },
      { metadata: { name: 'bad' }, addressType: 'IPv4', endpoints: [{ addresses: ['10.1'], hostname: 'a' }] },
    ],
    fixtureOptions,
  );
  assert.deepEqual(records, []);
  assert.equal(problems.length, 3);
  assert.match(problems[0]?.message ?? '', /"10\.96\.0\.300" is not an IPv4 address/);
});

test('compileService gives nothing for a Service without an address yet, and none for an empty alias', () => {
  const metadata = { namespace: 'default', name: 'new' };
  assert.deepEqual(
    compileService({ metadata, spec: { ports: [{ name: 'a', port: 1 }] } }, [], fixtureOptions).records,
    [],
  );
  const alias = compileService({ metadata, spec: { type: 'ExternalName' } }, [], fixtureOptions);
  assert.equal(alias.records.length, 0);
  assert.equal(alias.problems.length, 1);
});

test('Zone ends where it would have begun, whatever came and went between', () => {
  const fresh = (): Zone => createZone(fixtureOptions, 1);
  const size = fresh().size;
  assertProperty(
    property(array(tuple(nat(fixtureServices.length - 1), boolean()), { maxLength: 30 }), (changes) => {
      const zone = fresh();
      const present = new Map<number, true>();
      for (const [index, isThere] of changes) {
        const { service, slices } = fixtureServices[index] ?? { service: {}, slices: [] };
        const owner = `Service ${index}`;
        if (isThere) {
          zone.set(owner, compileService(service, slices, fixtureOptions));
          present.set(index, true);
        } else {
          zone.delete(owner);
          present.delete(index);
        }
      }
      const direct = fresh();
      for (const index of present.keys()) {
        const { service, slices } = fixtureServices[index] ?? { service: {}, slices: [] };
        direct.set(`Service ${index}`, compileService(service, slices, fixtureOptions));
      }
      assert.equal(zone.print(), direct.print());
      assert.equal(zone.size, direct.size);
      for (const index of present.keys()) zone.delete(`Service ${index}`);
      assert.equal(zone.size, size);
    }),
  );
});

test('Zone keeps a name that two objects give records to until both are gone', () => {
  const zone = createZone(fixtureOptions, 1);
  const [web] = fixtureServices;
  assert.ok(web);
  const part = compileService(web.service, web.slices, fixtureOptions);
  zone.set('a', part);
  zone.set('b', part);
  zone.delete('a');
  assert.equal(zone.lookup('web.default.svc.cluster.local', 'A').length, 1);
  zone.delete('b');
  assert.equal(zone.find(nameKey('web.default.svc.cluster.local')), undefined);
  assert.equal(zone.find(nameKey('default.svc.cluster.local')), undefined);
  assert.notEqual(zone.find(nameKey('svc.cluster.local')), undefined);
});
