import assert from 'node:assert/strict';
import { test } from 'node:test';
import type dnsPacket from 'dns-packet';
import { ask, block, print, serverOf, startUpstream } from './fixture.ts';

test('the block with the nearest zone answers, and none refuses', async () => {
  const server = serverOf(`
    example {
      hosts {
        10.0.0.1 a.example
      }
    }
    sub.example {
      hosts {
        10.0.0.2 a.sub.example
      }
    }`);
  assert.equal(print(await ask(server, 'a.example')), 'NOERROR a.example A 10.0.0.1');
  assert.equal(print(await ask(server, 'A.Sub.Example')), 'NOERROR A.Sub.Example A 10.0.0.2');
  assert.equal(print(await ask(server, 'web.default.svc.cluster.local')), 'REFUSED');
});

test('hosts answers both families and reverse names, and lets the rest through where told', async () => {
  const server = block(`hosts {
    10.0.0.1 a.example b.example
    fd00::1 a.example
    10.96.0.20 override.default.svc.cluster.local
    fallthrough
  }`);
  assert.equal(print(await ask(server, 'a.example')), 'NOERROR a.example A 10.0.0.1');
  assert.equal(print(await ask(server, 'a.example', 'AAAA')), 'NOERROR a.example AAAA fd00::1');
  assert.equal(print(await ask(server, 'a.example', 'TXT')), 'NOERROR');
  assert.equal(
    print(await ask(server, '1.0.0.10.in-addr.arpa', 'PTR')),
    'NOERROR 1.0.0.10.in-addr.arpa PTR a.example',
  );
  assert.equal(
    print(await ask(server, 'web.default.svc.cluster.local')),
    'NOERROR web.default.svc.cluster.local A 10.96.0.20',
  );
  const closed = block('hosts {\n 10.0.0.1 a.example\n}');
  assert.equal(print(await ask(closed, 'web.default.svc.cluster.local')), 'SERVFAIL');
});

test('rewrite asks for another name and answers to the one that was asked for', async () => {
  const server = block(`
    rewrite name api.old.example web.default.svc.cluster.local
    rewrite name suffix .corp .default.svc.cluster.local answer auto
    rewrite name regex (.*)\\.rocks {1}.default.svc.cluster.local
    rewrite stop {
      name regex ^cut-(.*)\\.example {1}.default.svc.cluster.local
      answer name (.*)\\.default\\.svc\\.cluster\\.local cut-{1}.example
    }
    rewrite continue ttl web.default.svc.cluster.local 77
    rewrite rcode exact gone.default.svc.cluster.local NXDOMAIN REFUSED
    rewrite type TXT A`);
  assert.equal(print(await ask(server, 'api.old.example')), 'NOERROR api.old.example A 10.96.0.20');
  assert.equal(print(await ask(server, 'API.old.example')), 'NOERROR API.old.example A 10.96.0.20');
  assert.equal(print(await ask(server, 'web.corp')), 'NOERROR web.corp A 10.96.0.20');
  assert.equal(print(await ask(server, 'web.rocks')), 'NOERROR web.default.svc.cluster.local A 10.96.0.20');
  assert.equal(print(await ask(server, 'cut-web.example')), 'NOERROR cut-web.example A 10.96.0.20');
  const aged = await ask(server, 'web.default.svc.cluster.local');
  assert.equal(aged.answers?.[0]?.type === 'A' && aged.answers[0].ttl, 77);
  assert.equal(print(await ask(server, 'gone.default.svc.cluster.local')), 'REFUSED');
  assert.equal(
    print(await ask(server, 'web.default.svc.cluster.local', 'TXT')),
    'NOERROR web.default.svc.cluster.local A 10.96.0.20',
  );
});

test('rewrite answers what had to be asked outside', async (t) => {
  const { port, asked } = await startUpstream(t);
  const server = block('rewrite name www.inside www.example.org', { upstream: port });
  assert.equal(print(await ask(server, 'www.inside')), 'NOERROR www.inside A 192.0.2.80');
  assert.equal(print(await ask(server, 'www.inside')), 'NOERROR www.inside A 192.0.2.80');
  assert.deepEqual(asked, ['www.example.org A'], 'the cache was not used');
});

test('template makes answers of the name', async () => {
  const server = block(`template IN A dyn.example {
    match ^ip-(?P<a>[0-9]+)-([0-9]+)\\.dyn\\.example\\.$
    answer "{{ .Name }} 60 IN A 10.0.{{ .Group.a }}.{{ index .Match 2 }}"
  }
  template ANY ANY blocked.example {
    rcode NXDOMAIN
  }`);
  assert.equal(print(await ask(server, 'ip-3-4.dyn.example')), 'NOERROR ip-3-4.dyn.example A 10.0.3.4');
  assert.equal(print(await ask(server, 'other.dyn.example')), 'NXDOMAIN');
  assert.equal(print(await ask(server, 'x.blocked.example', 'MX')), 'NXDOMAIN');
});

test('acl refuses, filters and drops by client, type and zone', async () => {
  const server = block(`acl cluster.local {
    allow net 10.244.1.0/24
    drop net 192.0.2.1
    filter type AAAA net *
    block net *
  }`);
  const name = 'web.default.svc.cluster.local';
  assert.match(print(await ask(server, name)), /^NOERROR web/);
  assert.equal((await ask(server, name, 'A', { from: '192.0.2.1' })).length, 0);
  assert.equal(print(await ask(server, name, 'AAAA', { from: '192.0.2.2' })), 'NOERROR');
  assert.equal(print(await ask(server, name, 'A', { from: '192.0.2.2' })), 'REFUSED');
});

test('autopath finds at the first try what the search list would find later', async (t) => {
  const { port, asked } = await startUpstream(t);
  const server = block('autopath @kubernetes', { upstream: port });
  const first = (name: string): string => `${name}.default.svc.cluster.local`;
  assert.equal(
    print(await ask(server, first('www.example.org'))),
    `NOERROR ${first('www.example.org')} CNAME www.example.org | www.example.org A 192.0.2.80`,
  );
  assert.deepEqual(asked, ['www.example.org.lan A', 'www.example.org A']);
  const other = await ask(server, first('postgres.database'));
  assert.match(print(other), /CNAME postgres\.database\.svc\.cluster\.local \| /);
  assert.equal(other.answers?.length, 4);
  assert.equal(print(await ask(server, first('web'))), `NOERROR ${first('web')} A 10.96.0.20`);
  assert.equal(print(await ask(server, first('nobody'))), 'NXDOMAIN');
  assert.equal(
    print(await ask(server, first('www.example.org'), 'A', { from: '10.244.9.9' })),
    'NXDOMAIN',
    'a client that is no pod has no search list here',
  );
  assert.equal(print(await ask(server, 'www.example.org.svc.cluster.local')), 'NXDOMAIN');
});

test('dns64 makes IPv6 addresses where there are none', async (t) => {
  const { port } = await startUpstream(t);
  const server = block('dns64 2001:db8:64::/96', { upstream: port });
  const from = 'fd00::9';
  assert.equal(
    print(await ask(server, 'www.example.org', 'AAAA', { from })),
    'NOERROR www.example.org AAAA 2001:db8:64::c000:250',
  );
  assert.equal(print(await ask(server, 'www.example.org', 'AAAA')), 'NOERROR', 'an IPv4 client was served');
  assert.equal(
    print(await ask(server, 'web.default.svc.cluster.local', 'AAAA', { from })),
    'NOERROR web.default.svc.cluster.local AAAA fd00:96::20',
  );
  assert.equal(print(await ask(server, 'nobody.example.net', 'AAAA', { from })), 'NXDOMAIN');
});

test('file serves a zone with wildcards, aliases and denials', async () => {
  const text = `$ORIGIN lab.example.
@ 60 IN SOA ns root 1 2 3 4 5
  IN NS ns
ns A 10.0.0.53
www CNAME web
web A 10.0.0.80
*.wild A 10.0.0.99
deep.below.here A 10.0.0.1
out CNAME www.example.net.`;
  const server = serverOf('lab.example {\n file lab.db\n}', {
    files: new Map([['/etc/coredns/lab.db', text]]),
  });
  const rows: readonly (readonly [string, dnsPacket.RecordType, string])[] = [
    ['www.lab.example', 'A', 'NOERROR www.lab.example CNAME web.lab.example | web.lab.example A 10.0.0.80'],
    ['any.thing.wild.lab.example', 'A', 'NOERROR any.thing.wild.lab.example A 10.0.0.99'],
    ['web.lab.example', 'AAAA', 'NOERROR'],
    ['below.here.lab.example', 'A', 'NOERROR'],
    ['nothing.lab.example', 'A', 'NXDOMAIN'],
    ['out.lab.example', 'A', 'NOERROR out.lab.example CNAME www.example.net'],
  ];
  for (const [name, type, wanted] of rows) assert.equal(print(await ask(server, name, type)), wanted);
  const denied = await ask(server, 'nothing.lab.example');
  assert.equal(denied.authorities?.[0]?.type, 'SOA');
});

test('local, chaos, any, whoami, header and minimal do their small parts', async () => {
  const server = serverOf(`. {
    local
    chaos podnet-9 "some one"
    any
    header {
      response set aa
      response clear ra
    }
    minimal
    whoami
  }`);
  assert.equal(print(await ask(server, 'localhost')), 'NOERROR localhost A 127.0.0.1');
  assert.equal(
    print(await ask(server, 'localhost.default.svc.cluster.local', 'AAAA')),
    'NOERROR localhost.default.svc.cluster.local AAAA ::1',
  );
  assert.match(print(await ask(server, '1.0.0.127.in-addr.arpa', 'PTR')), /PTR localhost$/);
  const version = await ask(server, 'version.bind', 'TXT', { class: 'CH' });
  assert.equal(version.answers?.[0]?.type === 'TXT' && String(version.answers[0].data), 'podnet-9');
  assert.equal(print(await ask(server, 'web.example', 'TXT', { class: 'CH' })), 'REFUSED');
  assert.match(print(await ask(server, 'web.example', 'ANY')), /HINFO/);
  const who = await ask(server, 'who.example');
  assert.deepEqual(
    who.additionals?.map((record) => ('data' in record ? record.data : '')),
    ['10.244.1.9', { priority: 0, weight: 0, port: 40_000, target: '.' }],
  );
  assert.equal(who.flag_aa, true);
  assert.equal(who.flag_ra, false);
});

test('a question nobody answers fails with the reason', async () => {
  assert.equal(print(await ask(serverOf('. {\n errors\n}'), 'www.example.org')), 'SERVFAIL');
});
