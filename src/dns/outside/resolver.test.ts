import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLAG, TYPE } from '../wire/constants.ts';
import { encodeMessage } from '../wire/message.ts';
import { nameKey, printKey } from '../wire/name.ts';
import { AnswerCache, defaultCacheOptions } from './cache.ts';
import type { Question } from './question.ts';
import { createResolver, type Resolver, type ResolverOptions } from './resolver.ts';

const question: Question = {
  key: nameKey('example.org'),
  type: TYPE.A,
  dnssecOk: false,
  checkingDisabled: false,
};

function message({ key, type }: Question, { rcode = 0, ttlSeconds = 60, address = '192.0.2.1' }): Buffer {
  const name = printKey(key);
  return encodeMessage({
    id: 1,
    flags: FLAG.QR | rcode,
    questions: [{ name, type }],
    answers: rcode === 0 ? [{ name, ttlSeconds, data: { type: 'A', address } }] : [],
    authority: [],
    additional: [],
  });
}

/** A resolver whose upstream answers when it is told to. */
function setUp(options: Partial<ResolverOptions> = {}): {
  resolver: Resolver;
  asked: { question: Question; answer: PromiseWithResolvers<Buffer> }[];
  clock: { nowMs: number };
} {
  const asked: { question: Question; answer: PromiseWithResolvers<Buffer> }[] = [];
  const clock = { nowMs: 0 };
  const resolver = createResolver({
    upstreams: {
      ask: (of) => {
        const answer = Promise.withResolvers<Buffer>();
        asked.push({ question: of, answer });
        return answer.promise;
      },
    },
    cache: new AnswerCache(defaultCacheOptions),
    now: () => clock.nowMs,
    ...options,
  });
  return { resolver, asked, clock };
}

test('createResolver asks once for equal questions and answers the next from the cache', async () => {
  const { resolver, asked, clock } = setUp();
  const both = Promise.all([resolver.ask(question), resolver.ask({ ...question })]);
  assert.equal(asked.length, 1);
  asked[0]?.answer.resolve(message(question, {}));
  assert.deepEqual(
    (await both).map(({ from }) => from),
    ['upstream', 'upstream'],
  );
  clock.nowMs = 10_000;
  const known = resolver.known(question);
  assert.equal(known?.from, 'cache');
  assert.equal(known.ageSeconds, 10);
  assert.equal((await resolver.ask(question)).from, 'cache');
  assert.equal(asked.length, 1);
});

test('createResolver keeps answers for clients that want DNSSEC records apart', async () => {
  const { resolver, asked } = setUp();
  const first = resolver.ask(question);
  asked[0]?.answer.resolve(message(question, {}));
  await first;
  assert.equal(resolver.known({ ...question, dnssecOk: true }), undefined);
  assert.equal(resolver.known({ ...question, checkingDisabled: true }), undefined);
  assert.equal(resolver.known({ ...question, type: TYPE.AAAA }), undefined);
});

test('createResolver gives a stale answer when upstreams fail, and the fresh one when they do not', async () => {
  const { resolver, asked, clock } = setUp();
  const first = resolver.ask(question);
  asked[0]?.answer.resolve(message(question, {}));
  await first;
  clock.nowMs = 61_000;
  assert.equal(resolver.known(question), undefined, 'a stale answer was given without asking');
  const second = resolver.ask(question);
  asked[1]?.answer.reject(new Error('nobody is there'));
  const stale = await second;
  assert.equal(stale.from, 'stale cache');
  assert.equal(stale.floorSeconds, 30);
  const third = resolver.ask(question);
  asked[2]?.answer.resolve(message(question, { rcode: 2 }));
  assert.equal((await third).from, 'stale cache', 'SERVFAIL took the place of a stale answer');
  const fourth = resolver.ask(question);
  asked[3]?.answer.resolve(message(question, { address: '192.0.2.2' }));
  assert.equal((await fourth).from, 'upstream');
});

test('createResolver gives stale answers at once when told so, and asks meanwhile', async () => {
  const { resolver, asked, clock } = setUp({ stale: 'immediate' });
  const first = resolver.ask(question);
  asked[0]?.answer.resolve(message(question, {}));
  await first;
  clock.nowMs = 61_000;
  assert.equal(resolver.known(question)?.from, 'stale cache');
  assert.equal(asked.length, 2);
  asked[1]?.answer.resolve(message(question, {}));
  await asked[1]?.answer.promise;
  assert.equal(resolver.known(question)?.from, 'cache');
});

test('createResolver renews an answer before its end while it gives it', async () => {
  const { resolver, asked, clock } = setUp();
  const first = resolver.ask(question);
  asked[0]?.answer.resolve(message(question, {}));
  await first;
  clock.nowMs = 56_000;
  assert.equal(resolver.known(question)?.from, 'cache');
  assert.equal(asked.length, 2);
  asked[1]?.answer.resolve(message(question, {}));
  await asked[1]?.answer.promise;
  clock.nowMs = 100_000;
  assert.equal(resolver.known(question)?.from, 'cache');
});

test('createResolver rejects when nobody answers and nothing is kept', async () => {
  const { resolver, asked } = setUp();
  const answer = resolver.ask(question);
  asked[0]?.answer.reject(new Error('nobody is there'));
  await assert.rejects(answer, /nobody is there/);
});
