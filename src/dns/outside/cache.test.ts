import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeMessage, type DnsRecord } from '../wire/message.ts';
import { AnswerCache, defaultCacheOptions, type CacheOptions } from './cache.ts';
import { ageAnswer, readOutsideAnswer, type OutsideAnswer } from './outside-answer.ts';

const question = { name: 'example.org', type: 1 };

const address = (ttlSeconds: number): DnsRecord => ({
  name: 'example.org',
  ttlSeconds,
  data: { type: 'A', address: '192.0.2.1' },
});

const soa = (ttlSeconds: number, minimumSeconds: number): DnsRecord => ({
  name: 'org',
  ttlSeconds,
  data: {
    type: 'SOA',
    primary: 'ns.org',
    mailbox: 'root.org',
    serial: 1,
    refreshSeconds: 1,
    retrySeconds: 1,
    expireSeconds: 1,
    minimumSeconds,
  },
});

const edns: DnsRecord = {
  name: '.',
  class: 1232,
  ttlSeconds: 0,
  data: { type: 'other', number: 41, bytes: Buffer.alloc(0) },
};

interface Said {
  readonly flags?: number;
  readonly answers?: readonly DnsRecord[];
  readonly authority?: readonly DnsRecord[];
}

function message({ flags = 0x8180, answers = [], authority = [] }: Said): Buffer {
  return encodeMessage({ id: 7, flags, questions: [question], answers, authority, additional: [edns] });
}

const answer = (said: Said): OutsideAnswer => readOutsideAnswer(message(said));

const cacheWith = (options: Partial<CacheOptions> = {}): AnswerCache =>
  new AnswerCache({ ...defaultCacheOptions, ...options });

test('readOutsideAnswer keeps the records, drops the EDNS record, and tells how long they may be kept', () => {
  const found = answer({ answers: [address(300), address(60)] });
  assert.equal(found.kind, 'found');
  assert.equal(found.ttlSeconds, 60);
  assert.deepEqual([found.answers, found.authority, found.additional], [2, 0, 0]);
  assert.deepEqual(found.ends, [16, 32]);
  assert.equal(found.bytes.length, 32);
});

test('readOutsideAnswer keeps a denial as long as its SOA allows, and a cut or failed answer not at all', () => {
  assert.equal(answer({ flags: 0x8183, authority: [soa(900, 30)] }).ttlSeconds, 30);
  assert.equal(answer({ authority: [soa(20, 300)] }).kind, 'denied');
  assert.equal(answer({ authority: [soa(20, 300)] }).ttlSeconds, 20);
  assert.equal(answer({ flags: 0x8183 }).ttlSeconds, 0);
  assert.equal(answer({ flags: 0x8182 }).kind, 'failed');
  assert.equal(answer({ flags: 0x8380, answers: [address(300)] }).ttlSeconds, 0);
});

test('readOutsideAnswer refuses a message that is cut anywhere', () => {
  const whole = message({ answers: [address(300)], authority: [soa(1, 1)] });
  for (let length = 12; length < whole.length; length += 1)
    assert.throws(() => readOutsideAnswer(whole.subarray(0, length)), `at ${length}`);
});

test('ageAnswer lowers every TTL, to the floor and no further', () => {
  const found = answer({ answers: [address(300), address(60)] });
  const out = Buffer.concat([Buffer.alloc(5), found.bytes]);
  ageAnswer(out, found, { offset: 5, length: out.length, ageSeconds: 100, floorSeconds: 2 });
  assert.deepEqual(
    found.ttlsAt.map((at) => out.readUInt32BE(5 + at)),
    [200, 2],
  );
});

test('AnswerCache gives an answer until its TTL ends, and its age', () => {
  const cache = cacheWith({ staleSeconds: 0, prefetch: undefined });
  cache.set('a', answer({ answers: [address(60)] }), 1000);
  assert.equal(cache.get('a', 60_999)?.ageSeconds, 59);
  assert.equal(cache.get('a', 61_000), undefined);
  assert.equal(cache.statistics.entries.found, 0);
  assert.deepEqual([cache.statistics.hits.found, cache.statistics.misses], [1, 1]);
  assert.equal(cache.statistics.bytes, 0);
});

test('AnswerCache gives stale answers for as long as it is told, marked as such', () => {
  const cache = cacheWith({ staleSeconds: 100 });
  cache.set('a', answer({ answers: [address(60)] }), 0);
  assert.equal(cache.get('a', 59_999)?.stale, false);
  assert.equal(cache.get('a', 60_000)?.stale, true);
  cache.set('a', answer({ flags: 0x8182 }), 61_000);
  assert.equal(cache.get('a', 61_000)?.answer.kind, 'found', 'a failure took the place of an answer');
  assert.equal(cache.get('a', 160_000), undefined);
});

test('AnswerCache keeps TTLs within limits, failures briefly and a TTL of 0 never', () => {
  const limits = { found: { minSeconds: 10, maxSeconds: 20 }, staleSeconds: 0 };
  const cache = cacheWith(limits);
  cache.set('short', answer({ answers: [address(1)] }), 0);
  cache.set('long', answer({ answers: [address(600)] }), 0);
  cache.set('never', answer({ answers: [address(0)] }), 0);
  cache.set('failed', answer({ flags: 0x8182 }), 0);
  const kept = (nowMs: number): string[] =>
    ['short', 'long', 'never', 'failed'].filter((key) => cache.get(key, nowMs) !== undefined);
  assert.deepEqual(kept(4999), ['short', 'long', 'failed']);
  assert.deepEqual(kept(9999), ['short', 'long']);
  assert.deepEqual(kept(19_999), ['long']);
  assert.deepEqual(kept(20_000), []);
});

test('AnswerCache tells clients no longer TTL than it keeps the answer for', () => {
  const cache = cacheWith({ found: { minSeconds: 5, maxSeconds: 30 } });
  const kept = answer({ answers: [address(300), address(20)] });
  cache.set('a', kept, 0);
  const { bytes, ttlsAt } = cache.get('a', 0)?.answer ?? assert.fail('not kept');
  assert.deepEqual(
    ttlsAt.map((at) => bytes.readUInt32BE(at)),
    [30, 20],
  );
});

test('AnswerCache asks once to renew what is asked for often, near its end', () => {
  const cache = cacheWith({ prefetch: { queries: 3, withinMs: 60_000, percent: 10 } });
  cache.set('a', answer({ answers: [address(100)] }), 0);
  const wants = (nowMs: number): boolean | undefined => cache.get('a', nowMs)?.prefetch;
  assert.deepEqual([wants(50_000), wants(60_000), wants(89_000)], [false, false, false]);
  assert.deepEqual([wants(91_000), wants(92_000)], [true, false]);
  cache.renewalFailed('a');
  assert.equal(wants(93_000), true);
});

test('AnswerCache stays below its bytes and lets the least recently used go first', () => {
  const found = answer({ answers: [address(100)] });
  const cache = cacheWith({ maxBytes: 1000 });
  cache.set('a', found, 0);
  cache.set('b', found, 0);
  cache.get('a', 0);
  cache.set('c', found, 0);
  assert.equal(cache.statistics.evictions, 1);
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => cache.get(key, 0) !== undefined),
    [true, false, true],
  );
  assert.ok(cache.statistics.bytes <= 1000);
});
