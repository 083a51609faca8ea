/**
 * What the app keeps in its localStorage: one setting of the plugin for each cluster, namespace and release.
 *
 * The app's theme is seeded: it is set to Headlamp's when there is none, and whenever Headlamp's has changed
 * since; what the user chooses in the app in between stays.
 */
import type { TunnelClass } from './engine';

export type Theme = 'light' | 'dark';

/** Where it is kept: this browser's settings of the plugin for the cluster. */
export interface Settings {
  load(key: string): string;
  save(key: string, value: string): void;
}

/** Crossview's own name for its theme. */
const THEME_KEY = 'colorMode';
/** How long changes are gathered before they are written, in milliseconds. */
const GATHER = 250;

interface Kept {
  readonly entries: Record<string, string>;
  /** The theme that was seeded last. */
  readonly seeded?: string;
}

/** What was saved; whatever isn't text under a name is none of ours. */
function parse(text: string): Kept {
  try {
    const { entries, seeded } = Object(JSON.parse(text)) as Record<string, unknown>;
    const texts = Object.entries(Object(entries)).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string'
    );
    return {
      entries: Object.fromEntries(texts),
      seeded: typeof seeded === 'string' ? seeded : undefined,
    };
  } catch {
    return { entries: {} };
  }
}

export class Stored {
  private readonly changes = new Map<string, string | null>();
  private seeded: string | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly settings: Settings,
    private readonly key: string,
    private readonly storable: TunnelClass['storable']
  ) {}

  /** What the app finds when it starts. */
  entries(theme: Theme): Record<string, string> {
    this.flush();
    const { entries, seeded } = parse(this.settings.load(this.key));
    if (seeded !== theme) {
      entries[THEME_KEY] = theme;
      this.seeded = theme;
      this.set(THEME_KEY, theme);
    }
    return entries;
  }

  /** Keeps an entry, or removes it; false when it is too much to keep. */
  set(key: string, value: string | null): boolean {
    const { entries } = this.merged();
    delete entries[key];
    const others = Object.entries(entries).flat().join('').length;
    if (value !== null && !this.storable(key, value, others)) {
      return false;
    }
    this.changes.set(key, value);
    this.timer ??= setTimeout(() => this.flush(), GATHER);
    return true;
  }

  /** Writes what has changed. */
  flush() {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.changes.size) {
      this.settings.save(this.key, JSON.stringify(this.merged()));
      this.changes.clear();
    }
  }

  /** What is kept, with our changes; another tab may have written meanwhile. */
  private merged(): Kept {
    const { entries, seeded } = parse(this.settings.load(this.key));
    for (const [key, value] of this.changes) {
      if (value === null) {
        delete entries[key];
      } else {
        entries[key] = value;
      }
    }
    return { entries, seeded: this.seeded ?? seeded };
  }
}
