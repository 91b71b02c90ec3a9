// Sets up a consult between a doctor and a patient, each in a browser of their own behind a link of their own.

import { Gateway } from "./gateway.mjs";
import { Links } from "./links.mjs";
import { Camera, Visitor } from "./visitor.mjs";
import { stillCamera } from "./cameras.mjs";

/** Two cores carry one 720p simulcast publisher: the other side shows a small still picture. */
const still = async () => Camera.file(await stillCamera());

export class Stage {
  constructor(links, gateway) {
    this.links = links;
    this.gateway = gateway;
    this.visitors = {};
    this.tokens = {};
  }

  /** Starts network and gateway and makes a consult. */
  static async build({ classes, hdMode = "equivalent", adaptation = "two_loop", link = "delay=10ms,rate=inf", counts = {}, roles = ["clinician", "patient"] }) {
    const links = await Links.start(["doctor", "patient"], link, counts);
    const gateway = await Gateway.start(links, { classes, hdMode, adaptation });
    const stage = new Stage(links, gateway);
    [stage.tokens.doctor, stage.tokens.patient, ...stage.otherTokens] = await gateway.createConsult(roles);
    return stage;
  }

  /** Lets both in. `publisher` has the real camera, and `visit` its way to get in: `(name, place, settings) => Visitor`. */
  async enter({ publisher = "doctor", camera = Camera.pattern(), visit = Visitor.arrive } = {}) {
    const watcher = publisher === "doctor" ? "patient" : "doctor";
    const cameras = { [publisher]: camera, [watcher]: await still() };
    for (const [name, shown] of [["doctor", "Dr Lin"], ["patient", "Mrs Wang"]]) {
      this.visitors[name] ??= await visit(shown, this.links.places[name], { camera: cameras[name] });
    }
    await this.visitors[publisher].join(this.linkOf(publisher));
    await this.visitors[watcher].join(this.linkOf(watcher));
    return { publisher: this.visitors[publisher], watcher: this.visitors[watcher] };
  }

  linkOf(name) {
    return this.gateway.link(this.links.places[name], this.tokens[name]);
  }

  /** Ends everything, in any state. */
  async strike() {
    await Promise.allSettled(Object.values(this.visitors).map((visitor) => visitor.leave()));
    await this.gateway.stop();
    await this.links.stop();
  }
}

/** Runs a scene on a stage that is struck whatever happens. */
export async function onStage(settings, scene) {
  const stage = await Stage.build(settings);
  try {
    return await scene(stage);
  } catch (error) {
    console.error(stage.gateway.log.split("\n").slice(-40).join("\n"));
    throw error;
  } finally {
    await stage.strike();
  }
}
