/**
 * The preview as `trunk serve` serves it, on the simulated cluster: Install ends in an opened Crossview, and what
 * goes wrong shows its cause. `PREVIEW_URL` is its address.
 *
 * Each state is taken into target/screenshots, in light and dark, wide and narrow.
 */
import { expect as plainExpect, Page, test as base } from '@playwright/test';
import { fileURLToPath } from 'node:url';

const screenshots = fileURLToPath(new URL('../../target/screenshots', import.meta.url));

/** What is simulated takes its time as a cluster does, on a machine that may be busy. */
const expect = plainExpect.configure({ timeout: 60_000 });

/** How far ahead the page's clock is stopped, in milliseconds: it runs on until it is told. */
const CLOCK_STEP = 500;

/** What Kubernetes gives a rollout, and what the page gives Helm's Job: mm:ss, and a little more. */
const ROLLOUT = '11:00';
const JOB = '15:30';

interface Fixtures {
  /** Opens the preview with a fault and as a user, if told. Without a preview the test is skipped, with CI=true it fails. */
  readonly open: (choice?: Readonly<Record<string, string>>) => Promise<void>;
  /** Takes the whole preview into target/screenshots. */
  readonly look: (name: string) => Promise<void>;
}

const test = base.extend<Fixtures>({
  open: async ({ page }, use) => {
    const url = process.env.PREVIEW_URL;
    if (!url && process.env.CI) {
      throw new Error('PREVIEW_URL names no preview');
    }
    test.skip(!url, 'no preview: PREVIEW_URL is not set');
    const errors: string[] = [];
    page.on('pageerror', error => errors.push(error.message));
    await page.clock.install();
    await use(async choice => {
      await page.goto(`${url}?${new URLSearchParams(choice)}`);
      await expect(title(page, 'Crossview')).toBeVisible();
    });
    expect(errors).toEqual([]);
  },

  look: async ({ page }, use) => {
    await use(async name => {
      // Time stands still: what is simulated stays as it is for all four.
      await page.clock.pauseAt((await page.evaluate(() => Date.now())) + CLOCK_STEP);
      const before = page.viewportSize();
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        for (const [size, width] of [
          ['wide', 1280],
          ['narrow', 420],
        ] as const) {
          await page.setViewportSize({ width, height: 800 });
          const path = `${screenshots}/preview-${name}-${colorScheme}-${size}.png`;
          await page.screenshot({ path, animations: 'disabled' });
        }
      }
      await page.emulateMedia({ colorScheme: 'light' });
      await page.setViewportSize(before ?? { width: 1280, height: 800 });
      await page.clock.resume();
    });
  },
});

test.setTimeout(180_000);

const STAGES = [
  'Preparing rights',
  "Waiting for the Job's pod",
  'Helm runs',
  "Cleaning up: Helm's rights are taken away",
  'Crossview becomes ready',
];

/** The page, without the preview's frame. */
function shown(page: Page) {
  return page.getByRole('main');
}

function title(page: Page, text: string | RegExp) {
  return shown(page).getByRole('heading', { name: text, exact: true });
}

function button(page: Page, name: string) {
  return shown(page).getByRole('button', { name, exact: true });
}

function log(page: Page) {
  return shown(page).getByRole('log', { name: "Helm's log" });
}

async function install(page: Page) {
  await expect(title(page, 'Not installed')).toBeVisible();
  await button(page, 'Install').click();
}

/** The stages that the page is in, one after the other, from now on. */
function recordStages(page: Page) {
  return page.evaluateHandle(() => {
    const stages: string[] = [];
    new MutationObserver(() => {
      const stage = document.querySelector('[aria-current="step"]')?.textContent;
      if (stage && stage !== stages.at(-1)) {
        stages.push(stage);
      }
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
    return stages;
  });
}

test('Install goes through every phase to an opened Crossview, and Uninstall back', async ({
  look,
  open,
  page,
}) => {
  await open();
  await expect(title(page, 'Not installed')).toBeVisible();
  await look('not-installed');
  const stages = await recordStages(page);

  await install(page);

  await expect(log(page)).toContainText('does not exist. Installing it now.');
  await look('helm-runs');
  await expect(title(page, 'Crossview is ready')).toBeVisible();
  // A Crossview that is ready before the rights are gone needs no stage of its own.
  const passed = await stages.jsonValue();
  expect(passed.length).toBeGreaterThanOrEqual(4);
  expect(STAGES.slice(0, passed.length)).toEqual(passed);
  await expect(log(page)).toContainText('STATUS: deployed');
  await look('ready');

  await button(page, 'Open Crossview').click();

  const frame = page.frameLocator('iframe[title="Crossview"]');
  await expect(frame.getByRole('heading', { name: 'Dashboard' })).toBeVisible();
  await frame.getByRole('button', { name: 'Compositions' }).click();
  await expect(frame.getByRole('cell', { name: 'database-small' })).toBeVisible();
  await look('opened');

  await button(page, 'Back to details').click();
  await button(page, 'Uninstall').click();
  await page.getByRole('dialog').getByRole('textbox').fill('crossview');
  await look('uninstall-asks');
  await page.getByRole('dialog').getByRole('button', { name: 'Uninstall' }).click();

  await expect(title(page, 'Uninstalling Crossview')).toBeVisible();
  await expect(title(page, 'Not installed')).toBeVisible();
});

test('Crossview opens in a tab of its own', async ({ context, open, page }) => {
  await open();
  await install(page);
  await button(page, 'Open Crossview').click();

  const tab = context.waitForEvent('page');
  await shown(page).getByRole('link', { name: 'Open in a new tab' }).click();

  await expect((await tab).getByRole('heading', { name: 'Dashboard' })).toBeVisible();
});

test('a wrong version fails with Helm’s words', async ({ look, open, page }) => {
  await open({ fault: 'wrong-version' });

  await install(page);

  const failure = title(page, 'Installing Crossview failed: Chart or version not found');
  await expect(failure).toBeVisible();
  await expect(shown(page)).toContainText('crossview-chart/crossview:4.6.0: not found');
  await look('wrong-version');

  await page.getByLabel('Simulated cluster').selectOption('nothing goes wrong');
  await button(page, 'Install').click();

  await expect(title(page, 'Crossview is ready')).toBeVisible();
  await expect(failure).toHaveCount(0);
});

test('an image of Helm that can’t be pulled is named, and Cancel ends it', async ({
  look,
  open,
  page,
}) => {
  await open({ fault: 'helm-image' });

  await install(page);

  const trouble = shown(page)
    .getByRole('alert')
    .filter({ hasText: "Helm's image can't be pulled" });
  await expect(trouble).toBeVisible();
  await expect(shown(page)).toContainText('docker.io/alpine/helm:4.3.1: not found');
  await look('helm-image');
  await button(page, 'Cancel').click();
  const asked = page.getByRole('dialog');
  await expect(asked).toContainText('Helm has changed nothing yet');
  await look('cancel-asks');
  await asked.getByRole('button', { name: 'Cancel it' }).click();
  await expect(title(page, 'Not installed')).toBeVisible();
});

/** What stops Crossview, or Helm, and what the page has to say of it. */
const CAUSES = [
  {
    fault: 'app-image',
    cause: "Crossview's image can't be pulled",
    words: 'ghcr.io/crossplane-contrib/crossview:v4.6.0',
  },
  { fault: 'crash-loop', cause: 'Crossview ends right after its start', words: 'back-off' },
  { fault: 'unschedulable', cause: 'No node takes the pod', words: 'Insufficient memory' },
  { fault: 'quota', cause: "The namespace's quota is used up", words: 'exceeded quota' },
  { fault: 'out-of-memory', cause: "Helm's pod was killed", words: 'OOMKilled' },
  { fault: 'registry-refuses', cause: "Registry can't be reached", words: 'connection refused' },
] as const;

for (const { fault, cause, words } of CAUSES) {
  test(`${fault} shows its cause`, async ({ look, open, page }) => {
    await open({ fault });

    await install(page);

    await expect(shown(page)).toContainText(cause);
    await expect(shown(page)).toContainText(words);
    await look(fault);
  });
}

test('never-ready shows its cause when Kubernetes gives up', async ({ look, open, page }) => {
  await open({ fault: 'never-ready' });

  await install(page);
  await expect(log(page)).toContainText('STATUS: deployed');
  await page.clock.fastForward(ROLLOUT);

  await expect(title(page, "Crossview can't start")).toBeVisible();
  await expect(shown(page)).toContainText('has timed out progressing');
  await look('never-ready');
});

test('registry-silent shows its cause at the deadline', async ({ look, open, page }) => {
  await open({ fault: 'registry-silent' });

  await install(page);
  await expect(log(page)).toContainText('Installing it now.');
  await page.clock.fastForward(JOB);

  await expect(title(page, /^Installing Crossview failed/)).toBeVisible();
  await expect(title(page, 'Not installed')).toBeVisible();
  await look('registry-silent');
});

test('who has no rights is told which, and is offered nothing that is refused', async ({
  look,
  open,
  page,
}) => {
  await open({ fault: 'no-rights' });

  await expect(button(page, 'Install')).toBeDisabled();
  await look('no-rights');
  await shown(page).getByText('What exactly').first().click();
  await expect(shown(page).getByText('create jobs in the namespace crossview')).toBeVisible();
  await look('no-rights-exactly');
});

for (const user of ['operator', 'viewer', 'nobody']) {
  test(`${user} sees what is refused`, async ({ look, open, page }) => {
    await open({ user });

    await expect(shown(page)).toContainText('You may not');
    await expect(button(page, 'Install').and(page.locator(':enabled'))).toHaveCount(0);
    await look(user);
  });
}

test('a lost cluster is named and comes back by itself, in the middle of an installation', async ({
  look,
  open,
  page,
}) => {
  await open();
  await install(page);
  await expect(log(page)).toContainText('Installing it now.');

  await page.getByLabel('Simulated cluster').selectOption('cluster unreachable');

  await expect(title(page, 'Connection to the cluster lost')).toBeVisible();
  await expect(title(page, 'Installing Crossview')).toBeVisible();
  await look('lost');

  await page.getByLabel('Simulated cluster').selectOption('nothing goes wrong');

  await expect(title(page, 'Crossview is ready')).toBeVisible();
  await expect(title(page, 'Connection to the cluster lost')).toHaveCount(0);
});

test('a cluster that never answered is not called empty', async ({ look, open, page }) => {
  await open({ fault: 'unreachable' });

  await expect(title(page, "The cluster can't be reached")).toBeVisible();
  await expect(title(page, 'Not installed')).toHaveCount(0);
  await look('unreachable');
});

test('a slow cluster is waited for', async ({ look, open, page }) => {
  await open({ fault: 'slow' });

  await expect(title(page, 'Reading the cluster')).toBeVisible();
  await look('reading');
  await install(page);
  await expect(title(page, 'Installing Crossview')).toBeVisible();
  await look('slow');
  await expect(title(page, 'Crossview is ready')).toBeVisible({ timeout: 120_000 });
});

test('what is chosen holds over a reload', async ({ open, page }) => {
  await open();

  await page.getByLabel('Simulated cluster').selectOption('slow');
  await page.getByLabel('You are').selectOption('viewer');
  await page.reload();

  await expect(page.getByLabel('Simulated cluster')).toHaveValue('slow');
  await expect(page.getByLabel('You are')).toHaveValue('viewer');
});
