/** Ways to put something of ours in the place of something of the browser's. */

/** Redefines a property that the browser has, so that the app sees ours. */
export function define<T extends object>(
  target: T,
  name: PropertyKey,
  descriptor: PropertyDescriptor & ThisType<T>
) {
  Object.defineProperty(target, name, { configurable: true, ...descriptor });
}

/** Gives a class of ours the `on…` properties of its events. */
export function defineHandlers(type: { readonly prototype: EventTarget }, events: string[]) {
  for (const event of events) {
    const handlers = new WeakMap<EventTarget, unknown>();
    define(type.prototype, `on${event}`, {
      get() {
        return handlers.get(this) ?? null;
      },
      set(handler: unknown) {
        if (!handlers.has(this)) {
          this.addEventListener(event, happened => {
            const current = handlers.get(this);
            if (typeof current === 'function') {
              current.call(this, happened);
            }
          });
        }
        handlers.set(this, handler);
      },
    });
  }
}

/** Gives a class of ours its numbered states, on itself and on what it makes. */
export function defineStates(type: { readonly prototype: object }, states: string[]) {
  states.forEach((state, value) => {
    define(type, state, { value });
    define(type.prototype, state, { value });
  });
}
