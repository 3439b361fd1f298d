import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PodnetError } from '../../model/errors.ts';
import { nameKey, printKey } from '../wire/name.ts';
import { compileCorefile } from './compile.ts';
import type { ServerPlan } from './plan.ts';

const context = {
  nodeResolvers: ['203.0.113.53', '2001:db8::53'],
  files: new Map([
    ['/etc/coredns/lan.hosts', '10.0.0.1 a.example # the first\n\nfd00::1 a.example b.example\n'],
    ['/etc/coredns/example.db', '$ORIGIN example.\n@ 3600 IN SOA ns root 1 2 3 4 5\n'],
    ['/etc/coredns/custom/log.override', 'log\n'],
    ['/etc/coredns/custom/stub.server', 'stub.example {\n forward . 10.0.0.53\n}\n'],
  ]),
};

function only(text: string): ServerPlan {
  const { servers } = compileCorefile(text, context);
  assert.equal(servers.length, 1);
  return servers[0] as ServerPlan;
}

/** The plan of a block with these lines. */
const block = (lines: string): ServerPlan => only(`.:53 {\n${lines}\n}`);

function refusal(text: string): string {
  try {
    compileCorefile(text, context);
  } catch (error) {
    if (error instanceof PodnetError)
      return `${error.where?.replace('Corefile line ', '')}: ${error.message}`;
    throw error;
  }
  return 'accepted';
}

const names = (keys: readonly string[]): string[] => keys.map((key) => printKey(key));

test('compileCorefile reads what kubeadm sets up', () => {
  const { servers, notes } = compileCorefile(
    `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}`,
    context,
  );
  const [server] = servers;
  assert.ok(server);
  assert.deepEqual(names(server.zones), ['.']);
  assert.equal(server.port, 53);
  assert.deepEqual(server.errors, { consolidate: [] });
  assert.deepEqual(server.health, { address: '', port: 8080, lameduckMs: 5000 });
  assert.deepEqual(server.ready, { address: '', port: 8181 });
  assert.deepEqual(server.prometheus, { address: '', port: 9153 });
  const { kubernetes } = server;
  assert.ok(kubernetes);
  assert.deepEqual(names(kubernetes.zones), ['cluster.local', 'in-addr.arpa', 'ip6.arpa']);
  assert.deepEqual(names(kubernetes.fallthrough), ['in-addr.arpa', 'ip6.arpa']);
  assert.equal(kubernetes.pods, 'insecure');
  assert.equal(kubernetes.ttlSeconds, 30);
  assert.deepEqual(
    server.forward[0]?.upstreams.map(({ address }) => address),
    ['203.0.113.53', '2001:db8::53'],
  );
  assert.equal(server.forward[0]?.maxConcurrent, 1000);
  assert.equal(server.cache?.found.maxSeconds, 30);
  assert.equal(server.cache?.staleSeconds, 0);
  assert.deepEqual(names(server.cache.except.denied), ['cluster.local']);
  assert.deepEqual([server.loop, server.loadbalance], [true, true]);
  assert.deepEqual(notes, ['line 21: reload: the Corefile is followed as soon as it changes']);
});

test('compileCorefile reads stub domains, DNS over TLS and reverse zones of a CIDR', () => {
  const { servers } = compileCorefile(
    `corp.example:53 10.0.0.0/15 {
       forward . 10.0.0.53 10.0.0.54:5353 {
         policy sequential
         except public.corp.example
         health_check 1s domain corp.example
         max_fails 3
         expire 20s
       }
     }
     . {
       forward . tls://192.0.2.1 {
         tls_servername dns.example
       }
     }`,
    context,
  );
  const [stub, rest] = servers;
  assert.deepEqual(names(stub?.zones ?? []), ['corp.example', '0.10.in-addr.arpa', '1.10.in-addr.arpa']);
  const [corp] = stub?.forward ?? [];
  assert.ok(corp);
  assert.deepEqual(
    [corp.policy, corp.healthCheckMs, corp.healthCheckName, corp.maxFails, corp.expireMs],
    ['sequential', 1000, 'corp.example', 3, 20_000],
  );
  assert.deepEqual(names(corp.except), ['public.corp.example']);
  assert.equal(rest?.forward[0]?.serverName, 'dns.example');
  assert.equal(rest?.forward[0]?.upstreams[0]?.port, 853);
});

test('compileCorefile reads caches with capacities, prefetch and stale answers', () => {
  const { cache } = block(`cache 600 example.org {
    success 5000 300 10
    denial 1000 60
    prefetch 5 2m 20%
    serve_stale 2h verify
    servfail 10s
    keepttl
  }`);
  assert.ok(cache);
  assert.deepEqual(names(cache.zones), ['example.org']);
  assert.deepEqual(cache.found, { minSeconds: 10, maxSeconds: 300 });
  assert.equal(cache.denied.maxSeconds, 60);
  assert.deepEqual(cache.prefetch, { queries: 5, withinMs: 120_000, percent: 20 });
  assert.deepEqual(
    [cache.staleSeconds, cache.stale, cache.failedSeconds, cache.keepTtl],
    [7200, 'verify', 10, true],
  );
});

test('compileCorefile reads rewrites in every form', () => {
  const { rewrite } = block(`
    rewrite name api.old.example api.default.svc.cluster.local
    rewrite continue name suffix .corp. .svc.cluster.local. answer auto
    rewrite stop {
      name regex (.*)\\.rocks {1}.default.svc.cluster.local
      answer name (.*)\\.default\\.svc\\.cluster\\.local {1}.rocks
    }
    rewrite type ANY HINFO
    rewrite ttl suffix example.org 30-300
    rewrite rcode regex (.*)\\.example SERVFAIL NXDOMAIN`);
  assert.deepEqual(
    rewrite.map(({ field, goesOn }) => [field, goesOn]),
    [
      ['name', false],
      ['name', true],
      ['name', false],
      ['type', false],
      ['ttl', false],
      ['rcode', false],
    ],
  );
  const [exact, suffix, regex, , ttl] = rewrite;
  assert.deepEqual(exact, {
    field: 'name',
    goesOn: false,
    match: { kind: 'exact', from: 'api.old.example', to: 'api.default.svc.cluster.local' },
    answers: [],
  });
  assert.deepEqual(suffix?.field === 'name' && suffix.answers, [{ kind: 'auto' }]);
  assert.deepEqual(suffix?.field === 'name' && suffix.match.from, '.corp');
  assert.equal(regex?.field === 'name' && regex.answers[0]?.kind, 'name');
  assert.deepEqual(ttl?.field === 'ttl' && [ttl.minSeconds, ttl.maxSeconds], [30, 300]);
});

test('compileCorefile reads hosts, acl, template, header, dns64, log and the small ones', () => {
  const server = block(`
    hosts {
      10.0.0.1 a.example b.example
      fd00::1 a.example
      ttl 60
      no_reverse
      fallthrough
    }
    acl example.org {
      allow net 10.0.0.0/8 192.0.2.1
      block type A AAAA net *
    }
    template IN A example.net {
      match ^ip-(?P<a>[0-9]*)-([0-9]*)\\.example\\.net\\.$
      answer "{{ .Name }} 60 IN A 10.0.{{ .Group.a }}.{{ index .Match 2 }}"
      fallthrough
    }
    header {
      response set ra
      query clear rd
    }
    dns64 2001:db8:64::/96
    log example.org "{name} {rcode}" {
      class denial error
    }
    chaos podnet-1 someone
    nsid node-1
    bufsize 1400
    any
    minimal
    autopath @kubernetes
    bind 10.96.0.10`);
  assert.deepEqual(server.hosts?.entries, [
    { address: '10.0.0.1', names: ['a.example', 'b.example'] },
    { address: 'fd00::1', names: ['a.example'] },
  ]);
  assert.deepEqual([server.hosts?.ttlSeconds, server.hosts?.reverse], [60, false]);
  assert.deepEqual(
    server.acl.map(({ action, types, networks }) => [action, types, networks.length]),
    [
      ['allow', [], 2],
      ['block', [1, 28], 0],
    ],
  );
  assert.deepEqual(server.template[0]?.answers[0], [
    { of: 'name' },
    ' 60 IN A 10.0.',
    { of: 'group', name: 'a' },
    '.',
    { of: 'match', index: 2 },
  ]);
  assert.deepEqual(server.header, [
    { of: 'response', action: 'set', flags: ['ra'] },
    { of: 'query', action: 'clear', flags: ['rd'] },
  ]);
  assert.equal(server.dns64?.prefix.prefixLength, 96);
  assert.deepEqual(server.log, [
    { zones: [nameKey('example.org')], format: '{name} {rcode}', classes: ['denial', 'error'] },
  ]);
  assert.deepEqual(server.chaos, { version: 'podnet-1', authors: ['someone'] });
  assert.deepEqual([server.nsid, server.bufsize, server.any, server.minimal], ['node-1', 1400, true, true]);
  assert.deepEqual(server.bind, ['10.96.0.10']);
});

test('compileCorefile reads files that are keys of its ConfigMaps, and imports them', () => {
  const { servers } = compileCorefile(
    `. {
      import custom/*.override
      import /etc/coredns/custom/*.nothing
      hosts /etc/coredns/lan.hosts example
      file example.db example
    }
    import custom/*.server`,
    context,
  );
  const [first, stub] = servers;
  assert.equal(first?.log.length, 1);
  assert.deepEqual(first.hosts?.entries, [
    { address: '10.0.0.1', names: ['a.example'] },
    { address: 'fd00::1', names: ['a.example', 'b.example'] },
  ]);
  assert.deepEqual(names(first.hosts.zones), ['example']);
  assert.match(first.file[0]?.text ?? '', /SOA/);
  assert.deepEqual(names(stub?.zones ?? []), ['stub.example']);
});

const refused: readonly (readonly [lines: string, why: string])[] = [
  ['route53 example.org', '2: There is no plugin "route53"'],
  ['constructor', '2: There is no plugin "constructor"'],
  ['cache\ncache', '3: cache stands twice in its server block'],
  ['kubernetes {\n pods maybe\n}', '3: pods is "maybe"'],
  ['kubernetes {\n ttl 4000\n}', '3: ttl is "4000"'],
  ['kubernetes {\n endpoint https://10.0.0.1\n}', '3: kubernetes: endpoint says how to reach the API'],
  ['kubernetes {\n toString x\n}', '3: kubernetes has no option "toString"'],
  ['forward .', '2: forward has 1 argument'],
  ['forward . dns.example', '2: forward: Upstream resolver "dns.example" is not an address'],
  ['forward . 192.0.2.1 {\n policy best\n}', '3: policy is "best"'],
  ['forward . tls://192.0.2.1 {\n tls /root/.ssh/id\n}', '3: forward: tls /root/.ssh/id is not below'],
  ['hosts /etc/hosts', '2: hosts: there is no file /etc/hosts'],
  ['file ../../etc/passwd example', '2: file: there is no file ../../etc/passwd'],
  ['hosts {\n 010.0.0.1 a.example\n}', '3: hosts: "010.0.0.1" is neither an address nor an option'],
  ['rewrite edns0 local set 0xffee x', '2: rewrite edns0 is not supported'],
  ['rewrite name regex (a+)+b c', '2: The pattern (a+)+b may take too long'],
  ['rewrite name regex ( c', '2: ( is not a regular expression'],
  ['template IN A {\n answer "{{ env \\"HOME\\" }}"\n}', '3: template: {{ env "HOME" }} is not supported'],
  ['autopath /etc/resolv.conf', '2: autopath /etc/resolv.conf: only @kubernetes knows search lists here'],
  ['dns64 64:ff9b::/97', '2: dns64: "64:ff9b::/97" is no prefix to translate with'],
  ['acl {\n block 10.0.0.0/8\n}', '3: "10.0.0.0/8" stands where type or net is wanted'],
  ['health 10.0.0.1', '2: "10.0.0.1" is not an address with a port'],
  ['cancel soon', '2: cancel is "soon"'],
  ['bind eth0', '2: bind: "eth0" is not an address'],
];

test('compileCorefile refuses by name and line what it cannot do', () => {
  for (const [lines, why] of refused) {
    const said = refusal(`.:53 {\n${lines}\n}`);
    assert.ok(said.startsWith(why), `${lines}\n  said:   ${said}\n  wanted: ${why}`);
  }
  assert.match(
    refusal('a.example {\n}\na.example {\n}'),
    /^3: The zone is served by the block in line 1 already/,
  );
  assert.match(refusal('grpc://a.example {\n}'), /^1: grpc:\/\/ is not a way to serve DNS here/);
  assert.match(refusal('a.example:53 b.example:54 {\n}'), /^1: A server block has zones of several ports/);
});
