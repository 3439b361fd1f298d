import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import type dnsPacket from 'dns-packet';
import { compileCorefile } from '../corefile/compile.ts';
import { createClientLimits } from './client-limits.ts';
import { ask, type Asked, block, type EdnsOption, print, serverOf, startUpstream } from './fixture.ts';

const NXDOMAIN = 'nobody.default.svc.cluster.local';
const WEB = 'web.default.svc.cluster.local';

const opt = (udpBytes: number, ...options: EdnsOption[]): Asked => ({ edns: { udpBytes, options } });

interface Opt {
  readonly udpPayloadSize: number;
  readonly options: readonly EdnsOption[];
}

function optOf({ additionals = [] }: dnsPacket.DecodedPacket): Opt {
  const found: unknown = additionals.find(({ type }) => type === 'OPT');
  assert.ok(found !== undefined, 'no EDNS record');
  return found as Opt;
}

const cookie = (data: Buffer | string): EdnsOption => ({
  code: 10,
  data: typeof data === 'string' ? Buffer.from(data, 'hex') : data,
});

test('view lets a block answer those only who meet its conditions, all of them', async () => {
  const server = serverOf(`
    example {
      view inside {
        expr incidr(client_ip(), '10.244.0.0/16')
        expr type() == 'A' || proto() == 'tcp'
      }
      hosts {
        10.0.0.1 a.example
      }
    }
    example {
      hosts {
        10.0.0.2 a.example
      }
    }
    . {
      hosts {
        10.0.0.3 a.other
      }
    }`);
  assert.equal(print(await ask(server, 'a.example')), 'NOERROR a.example A 10.0.0.1');
  assert.equal(
    print(await ask(server, 'a.example', 'A', { from: '192.0.2.1' })),
    'NOERROR a.example A 10.0.0.2',
  );
  assert.equal(print(await ask(server, 'a.other')), 'NOERROR a.other A 10.0.0.3');
});

test('view without another block of its zone leaves the rest to the zones above', async () => {
  const server = serverOf(`
    example {
      view name {
        expr name() == 'special.example.'
      }
      hosts {
        10.0.0.1 special.example
      }
    }
    . {
      hosts {
        10.0.0.3 a.example
      }
    }`);
  assert.equal(print(await ask(server, 'Special.Example')), 'NOERROR Special.Example A 10.0.0.1');
  assert.equal(print(await ask(server, 'a.example')), 'NOERROR a.example A 10.0.0.3');
});

test('view with a condition that cannot be read is refused by its line', () => {
  assert.throws(
    () =>
      compileCorefile('. {\n view v {\n  expr colour() == "red"\n }\n}', {
        nodeResolvers: [],
        files: new Map(),
      }),
    { where: 'Corefile line 3' },
  );
});

test('nsid is told to those who ask for it', async () => {
  const server = block('nsid node-1');
  const answer = await ask(server, WEB, 'A', opt(1232, { code: 3, data: Buffer.alloc(0) }));
  assert.deepEqual(
    optOf(answer).options.map(({ code, data }) => [code, String(data)]),
    [[3, 'node-1']],
  );
  assert.deepEqual(optOf(await ask(server, WEB, 'A', opt(1232))).options, []);
});

test('cookies come back with ours, which is good for this client alone', async () => {
  const server = block('');
  const answer = await ask(server, WEB, 'A', opt(1232, cookie('0102030405060708')));
  const [given] = optOf(answer).options;
  assert.equal(given?.data.length, 24);
  assert.equal(given?.data.toString('hex', 0, 8), '0102030405060708');
  assert.equal(print(await ask(server, NXDOMAIN, 'A', opt(1232, cookie('0102030405060708')))), 'NXDOMAIN');
});

test('cookies of a length there is not, and options that run beyond their record, are malformed', async () => {
  const server = block('');
  assert.equal(print(await ask(server, WEB, 'A', opt(1232, cookie('01020304')))), 'FORMERR');
  assert.equal(print(await ask(server, WEB, 'A', opt(1232, cookie('010203040506070809')))), 'FORMERR');
});

test('cookies and nsid travel with answers from outside as well', async (t) => {
  const { port } = await startUpstream(t);
  const server = block('nsid node-1', { upstream: port });
  const asked = opt(1232, cookie('0102030405060708'), { code: 3, data: Buffer.alloc(0) });
  for (const from of ['upstream', 'cache']) {
    const answer = await ask(server, 'a.example.org', 'A', asked);
    assert.equal(print(answer).toLowerCase(), 'noerror a.example.org a 192.0.2.80', from);
    assert.deepEqual(
      optOf(answer).options.map(({ code }) => code),
      [10, 3],
      from,
    );
  }
});

test('bufsize is what clients hear and what answers are cut to', async () => {
  const lines = Array.from({ length: 60 }, (_, index) => `10.0.0.${index + 1} many.example`).join('\n');
  const hosts = `hosts {\n${lines}\nfallthrough\n}`;
  const sizes = await Promise.all(
    ['', 'bufsize 600', 'bufsize 4096'].map(async (bufsize) => {
      const answer = await ask(block(`${hosts}\n${bufsize}`), 'many.example', 'A', opt(4096));
      return [optOf(answer).udpPayloadSize, answer.flag_tc, answer.length <= optOf(answer).udpPayloadSize];
    }),
  );
  assert.deepEqual(sizes, [
    [1232, false, true],
    [600, true, true],
    [4096, false, true],
  ]);
});

test('cancel fails a question that nobody answers in time', async (t) => {
  const silent = createSocket('udp4');
  silent.bind(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.close());
  const server = block('cancel 50ms', { upstream: silent.address().port });
  const started = performance.now();
  assert.equal(print(await ask(server, 'a.example.org')), 'SERVFAIL');
  assert.ok(performance.now() - started < 1500);
});

test('cache keepttl tells clients the TTL that the upstream gave', async (t) => {
  const { port, asked } = await startUpstream(t);
  const corefile = (option: string): string => `. {
    forward . 127.0.0.1:${port}
    cache {
      ${option}
    }
  }`;
  const ttls = await Promise.all(
    ['keepttl', 'success 100'].map(async (option) => {
      const server = serverOf(corefile(option));
      await ask(server, 'a.example.org');
      await new Promise((resolve) => setTimeout(resolve, 1100));
      return (await ask(server, 'a.example.org')).answers?.map((answer) =>
        'ttl' in answer ? answer.ttl : 0,
      );
    }),
  );
  assert.deepEqual(ttls, [[300], [299]]);
  assert.equal(asked.length, 2);
});

test('limits: a client that asks too much is sent to TCP or ignored, and no other suffers', async () => {
  const options = {
    queriesPerSecond: 10,
    queriesBurst: 20,
    errorsPerSecond: 10,
    errorsBurst: 10,
    now: () => 0,
  };
  const limits = createClientLimits(options);
  const server = block('', { limits });
  const outcomes = { answered: 0, cut: 0, ignored: 0 };
  for (let count = 0; count < 100; count++) {
    const { length, flag_tc, answers } = await ask(server, WEB, 'A', { clientKey: 1 });
    if (length === 0) outcomes.ignored += 1;
    else if (flag_tc) outcomes.cut += 1;
    else if (answers?.length === 1) outcomes.answered += 1;
  }
  assert.deepEqual(outcomes, { answered: 20, cut: 40, ignored: 40 });
  assert.equal((await ask(server, WEB, 'A', { clientKey: 2 })).answers?.length, 1);
  assert.equal((await ask(server, WEB, 'A', { clientKey: 1, transport: 'tcp' })).answers?.length, 1);
  const [queries] = limits.metrics();
  assert.deepEqual(queries?.samples[0], { labels: { proto: 'udp' }, value: 80 });
});

test('limits: denials to one client are told up to their rate, and found names still answered', async () => {
  const options = {
    queriesPerSecond: 1000,
    queriesBurst: 1000,
    errorsPerSecond: 5,
    errorsBurst: 5,
    now: () => 0,
  };
  const server = block('', { limits: createClientLimits(options) });
  let denied = 0;
  for (let count = 0; count < 50; count++)
    denied += print(await ask(server, NXDOMAIN, 'A', { clientKey: 1 })) === 'NXDOMAIN' ? 1 : 0;
  assert.equal(denied, 5);
  assert.equal((await ask(server, WEB, 'A', { clientKey: 1 })).answers?.length, 1);
});

test('limits: a client with a good cookie is answered whatever others send in its name', async () => {
  const options = { queriesPerSecond: 1, queriesBurst: 5, errorsPerSecond: 5, errorsBurst: 1, now: () => 0 };
  const server = block('', { limits: createClientLimits(options) });
  const first = await ask(server, WEB, 'A', { ...opt(1232, cookie('0102030405060708')), clientKey: 1 });
  const ours = optOf(first).options[0]?.data ?? Buffer.alloc(0);
  for (let count = 0; count < 20; count++) await ask(server, WEB, 'A', { clientKey: 1 });
  const known = { ...opt(1232, cookie(ours)), clientKey: 1 };
  assert.equal((await ask(server, WEB, 'A', known)).answers?.length, 1);
  assert.equal(print(await ask(server, NXDOMAIN, 'A', known)), 'NXDOMAIN');
  assert.equal(print(await ask(server, NXDOMAIN, 'A', known)), 'NXDOMAIN');
  const forged = Buffer.from(ours);
  forged[20] = (forged[20] ?? 0) ^ 1;
  const answer = await ask(server, WEB, 'A', { ...opt(1232, cookie(forged)), clientKey: 1 });
  assert.equal(answer.answers?.length ?? 0, 0);
});
