import { fromStored } from '../conversion.ts';
import { apiVersionOf } from '../registry.ts';
import { keyOf, type Core } from '../server-core.ts';
import { badRequest, expired, notFound, tooLargeResourceVersion } from '../status.ts';
import type { StoredObject } from '../storage/store.ts';
import { queryInteger, type Answer, type Call } from './call.ts';
import { selectObjects, servedObjects } from './select.ts';

/** GET of one object. */
export function getObject(core: Core, call: Call): Answer {
  const { kind, namespace, name } = call;
  checkResourceVersion(core, call);
  const object = core.store.get(keyOf({ kind, namespace, name }));
  if (object === undefined) throw notFound(kind, name);
  return { status: 200, body: fromStored(kind, object) };
}

/** Reads are always of the newest state, which is never older than what was asked for. */
function checkResourceVersion({ store }: Core, { query }: Call): void {
  const text = query['resourceVersion'] ?? '';
  if (text === '') return;
  if (!/^\d{1,15}$/u.test(text))
    throw badRequest(
      `resourceVersion: Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`,
    );
  const asked = Number(text);
  if (asked > store.resourceVersion) throw tooLargeResourceVersion(asked, store.resourceVersion);
  if (query['resourceVersionMatch'] === 'Exact' && asked !== store.resourceVersion && asked !== 0) {
    throw expired(`The resourceVersion for the provided list is too old.`);
  }
}

export interface ObjectList {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly items: readonly StoredObject[];
}

/** The pages that are still to come of a list, as they were when its first page was read. */
interface Page {
  readonly items: readonly StoredObject[];
  readonly start: number;
  readonly resourceVersion: string;
}

const MAX_PAGES = 64;
const PAGE_LIFETIME_MS = 5 * 60_000;

const TOO_OLD =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
  'the continue parameter.';

/** Lists a collection; `limit` and `continue` page through one consistent state. */
export function createLister(core: Core): (call: Call) => { status: 200; body: ObjectList } {
  const pages = new Map<string, Page & { readonly until: number }>();
  let sequence = 0;

  function remember(page: Page): string {
    const token = Buffer.from(JSON.stringify({ v: 'podnet/v1', page: (sequence += 1) })).toString(
      'base64url',
    );
    pages.set(token, { ...page, until: Date.now() + PAGE_LIFETIME_MS });
    const [oldest] = pages.keys();
    if (pages.size > MAX_PAGES && oldest !== undefined) pages.delete(oldest);
    return token;
  }

  function firstPage(call: Call): Page {
    checkResourceVersion(core, call);
    return {
      items: selectObjects(core, call),
      start: 0,
      resourceVersion: String(core.store.resourceVersion),
    };
  }

  return (call) => {
    const limit = queryInteger(call.query, 'limit') ?? 0;
    const token = call.query['continue'] ?? '';
    const found = token === '' ? undefined : pages.get(token);
    if (token !== '' && (found === undefined || found.until < Date.now())) throw expired(TOO_OLD);
    const page = found ?? firstPage(call);
    const end = limit > 0 ? Math.min(page.start + limit, page.items.length) : page.items.length;
    const whole = page.start === 0 && end === page.items.length;
    const items = whole ? page.items : page.items.slice(page.start, end);
    const { resourceVersion } = page;
    const metadata =
      end < page.items.length
        ? {
            resourceVersion,
            continue: remember({ items: page.items, start: end, resourceVersion }),
            remainingItemCount: page.items.length - end,
          }
        : { resourceVersion };
    const body = {
      kind: `${call.kind.kind}List`,
      apiVersion: apiVersionOf(call.kind),
      metadata,
      items: servedObjects(call.kind, items),
    };
    return { status: 200, body };
  };
}
