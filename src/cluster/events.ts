import { randomBytes } from 'node:crypto';
import type { ObjectReference } from 'kubernetes-types/core/v1.d.ts';
import type { Event, KubeObject } from '../model/objects.ts';
import { isNotFound, type Client } from './client.ts';
import { systemClock, type Clock } from './clock.ts';
import { events } from './resources.ts';

/** What happened to an object, as `kubectl describe` shows it. */
export interface EventText {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase, for programs: `FailedScheduling`. */
  readonly reason: string;
  /** A sentence for people. */
  readonly message: string;
}

export interface EventRecorder {
  /**
   * Writes in the background, and never throws. The same text about the same object again raises the count of the
   * event that exists. The object must carry its `kind` (what an informer or client hands out does).
   */
  record(object: KubeObject, text: EventText): void;
  /** Resolves when everything recorded so far is written or given up. */
  flush(): Promise<void>;
}

export interface EventRecorderOptions {
  readonly component: string;
  /** The node the component runs on. */
  readonly host?: string;
  readonly onError?: (error: unknown) => void;
  readonly clock?: Clock;
}

interface Series {
  event: Event;
  count: number;
  /** The count the API server has. */
  written: number;
  writing: boolean;
}

/** Of an object's name (RFC 1123 subdomain). */
const maxNameLength = 253;
/** Events remembered for counting; the oldest is forgotten first. */
const maxSeries = 4096;
/** An object may cause this many events at once, then one every `refillMs`. */
const burst = 25;
const refillMs = 10_000;

export function createEventRecorder(
  client: Client,
  { component, host, onError = () => {}, clock = systemClock }: EventRecorderOptions,
): EventRecorder {
  const known = new Map<string, Series>();
  const budgets = new Map<string, { tokens: number; sinceMs: number }>();
  const writes = new Set<Promise<void>>();

  /** Keeps an object in a loop from flooding the server. */
  function mayRecord(objectId: string): boolean {
    const nowMs = clock.now();
    const budget = budgets.get(objectId) ?? { tokens: burst, sinceMs: nowMs };
    const refilled = Math.floor((nowMs - budget.sinceMs) / refillMs);
    budget.tokens = Math.min(burst, budget.tokens + refilled);
    budget.sinceMs += refilled * refillMs;
    remember(budgets, objectId, budget);
    if (budget.tokens === 0) return false;
    budget.tokens--;
    return true;
  }

  function firstEvent(object: KubeObject, text: EventText, time: string): Event {
    const { name = '', namespace, uid, resourceVersion } = object.metadata ?? {};
    const involvedObject: ObjectReference = {
      ...(object.apiVersion && { apiVersion: object.apiVersion }),
      ...(object.kind && { kind: object.kind }),
      ...(namespace && { namespace }),
      name,
      ...(uid && { uid }),
      ...(resourceVersion && { resourceVersion }),
    };
    const suffix = `${clock.now().toString(16)}${randomBytes(3).toString('hex')}`;
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: {
        name: `${name.slice(0, maxNameLength - suffix.length - 1)}.${suffix}`,
        namespace: namespace ?? 'default',
      },
      involvedObject,
      ...text,
      source: { component, ...(host && { host }) },
      reportingComponent: component,
      reportingInstance: host ?? component,
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    };
  }

  async function write(series: Series): Promise<void> {
    const { count, event } = series;
    if (series.written > 0)
      try {
        const body = { count, lastTimestamp: event.lastTimestamp };
        await client.patch(events, nameOf(event), { type: 'merge', body });
        series.written = count;
        return;
      } catch (error) {
        if (!isNotFound(error)) throw error; // it expired: begin a new one
      }
    await client.create(events, { ...event, count });
    series.written = count;
  }

  async function writeAll(id: string, series: Series): Promise<void> {
    series.writing = true;
    try {
      while (series.written < series.count) await write(series);
    } catch (error) {
      known.delete(id);
      onError(error);
    }
    series.writing = false;
  }

  return {
    record(object, text) {
      const { uid = '', namespace = '', name = '' } = object.metadata ?? {};
      const objectId = `${object.kind ?? ''}/${namespace}/${name}/${uid}`;
      if (!mayRecord(objectId)) return;
      const time = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
      const id = [objectId, text.type, text.reason, text.message].join('\n');
      const series = known.get(id) ?? {
        event: firstEvent(object, text, time),
        count: 0,
        written: 0,
        writing: false,
      };
      series.count++;
      series.event = { ...series.event, lastTimestamp: time };
      remember(known, id, series);
      if (series.writing) return;
      const writing: Promise<void> = writeAll(id, series).finally(() => writes.delete(writing));
      writes.add(writing);
    },
    async flush() {
      while (writes.size > 0) await Promise.all(writes);
    },
  };
}

function nameOf({ metadata }: Event): { namespace: string; name: string } {
  return { namespace: metadata.namespace ?? 'default', name: metadata.name ?? '' };
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.size > maxSeries ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
}
