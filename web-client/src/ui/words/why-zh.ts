import type { WhyWords } from "./words.js";

const rate = (bps: number): string =>
  bps >= 995_000 ? `${(bps / 1_000_000).toFixed(1)} Mbit/s` : `${Math.round(bps / 10_000) * 10} kbit/s`;

function time(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1_000));
  return seconds < 90 ? `${seconds} 秒` : `${Math.round(seconds / 60)} 分钟`;
}

/** 画质说明。 */
export const whyZh: WhyWords = {
  button: "为什么是这个画质？",
  title: "为什么是这个画质？",
  close: "关闭说明",
  asking: "正在读取…",
  nobody: "还没有收到别人的画面。",
  somebody: "一位参与者",
  lines: (lines) => `${lines} 线`,
  frames: (perSecond) => `每秒 ${perSecond} 帧`,
  rate,
  since: (ms) => `已保持 ${time(ms)}`,
  ago: (ms) => `${time(ms)}前`,
  now: "现在",
  needs: (bps) => `需要 ${rate(bps)}`,
  carries: (bps) => `您的网络可给此画面 ${rate(bps)}`,
  closed: {
    classes: "双方网络类型不支持",
    permission: "高清尚未允许",
    tile: "窗口较小，不需要",
    publisher: "对方暂时发不出",
    codec: "视频格式不支持",
  },
  top: "已是此窗口能显示的最高一级。",
  next: (rung, needs, missing) =>
    missing > 0
      ? `下一级 ${rung} 需要 ${rate(needs)}，您的网络还差 ${rate(missing)}。`
      : `下一级 ${rung} 需要 ${rate(needs)}，带宽已够，稳定片刻后自动升级。`,
  moreFrames: (needs, missing) =>
    missing > 0
      ? `为保持流畅减少了帧数；恢复全部帧数需要 ${rate(needs)}，还差 ${rate(missing)}。`
      : `帧数很快恢复（需要 ${rate(needs)}）。`,
  nextClosed: (rung, why) => `下一级 ${rung}：${why}，与您的网速无关。`,
  theySee: (rung, why) => `对方看到的您：${rung}（${why}）`,
  theirReason: {
    best: "最佳",
    class: "网络类型所限",
    hd_permission: "高清尚未允许",
    downlink: "对方网速所限",
    publisher: "您的上传网速或设备所限",
    viewport: "对方窗口较小",
    muted: "您已关闭摄像头",
    awaiting_keyframe: "正在切换",
    publisher_lost: "您的连接中断",
    codec: "视频格式所限",
  },
  theirUplink: {
    upload: (carries) => `对方的上传网速约 ${rate(carries)}，只让发来装得下的画面。`,
    device: "对方的设备已经吃力，处理不了更清晰的画面。",
    browser_upload: "对方的浏览器认为上传网速不够。",
    browser_other: "对方的浏览器另有原因降低了画面。",
    free: (arriving) => `对方的上传没有受限，现在传来 ${rate(arriving)}。`,
  },
  yourUplink: {
    upload: (carries) => `您的上传网速约 ${rate(carries)}，只让发出装得下的画面。`,
    device: "您的设备已经吃力，处理不了更清晰的画面；关闭其他程序会有帮助。",
    browser_upload: "您的浏览器认为上传网速不够。",
    browser_other: "您的浏览器另有原因降低了画面。",
    free: (arriving) => `您的上传没有受限，现在传出 ${rate(arriving)}。`,
  },
  evidence: "判断依据",
  theirNetwork: "对方网络",
  yourNetwork: "您的网络",
  verdict: (whose, network, percent) =>
    percent === 0 ? `${whose}：${network}` : `${whose}：${network}，把握 ${percent}%`,
  says: (who, network, tier) => `${who}：${network}（可信级 ${tier}/4）`,
  from: {
    stun: "浏览器的连接检查",
    network_information: "浏览器的网络信息",
    shell: "外层应用",
    wechat_mini_program: "微信小程序",
    person: "参与者自述",
    attested_app: "已登记的应用（签名）",
    site: "已登记的网络地址",
    operator: "移动运营商",
  },
  noEvidence: "没有依据",
  contradicted: "两个可信来源说法不一，按较低的一种处理。",
  unproven: "只有自述、没有证明，不足以开高清。",
  budget: (estimate, audio, budget) =>
    `测得您的下行 ${rate(estimate)}，先留声音 ${rate(audio)}，画面最多可用 ${rate(budget)}。`,
  history: "最近的变化",
  pictureOf: (name) => `${name} 的画面`,
  pictureFor: (name) => `${name} 看到的您`,
  networkOf: (name) => `${name} 的网络`,
  changed: (what, from, to, cause) => `${what}：${from} → ${to}${cause === null ? "" : `（${cause}）`}`,
  hdChanged: (what, withdrawn) => (withdrawn === null ? `${what}：允许高清` : `${what}：暂停高清（${withdrawn}）`),
  hdWithdrawn: {
    granted: "已允许",
    publisher_class: "发送方网络类型",
    subscriber_class: "接收方网络类型",
    evidence_weak: "网络类型未证实",
    dwell: "仍在确认",
    uplink_unproven: "发送方上传网速不足",
    downlink_unproven: "接收方网速不足",
    round_trip: "延迟较高",
    loss: "丢包较多",
    jitter: "网络不平稳",
    encoder_limited: "发送方设备吃力",
    cool_down: "刚有波动",
  },
  sends: (name, rungs, cause) =>
    rungs.length === 0
      ? `${name}的摄像头：暂停发送（${cause}）`
      : `${name}的摄像头：发送 ${rungs.join("、")}（${cause}）`,
  cause: {
    downlink: "带宽变化",
    policy: "网络类型或高清许可",
    viewport: "窗口大小",
    publisher: "发送方能力",
    audience: "有人进出",
  },
  lost: (name) => `${name} 的连接中断`,
  back: (name) => `${name} 的连接恢复`,
};
