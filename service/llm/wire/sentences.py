"""What servers say in sentences, where they have no word for it: a table to read and to extend.

Of the kinds that one matches, the first counts. They are searched at some statuses alone: see errors.py.
"""

import re

from service.llm.wire.dialect import Kind


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


SENTENCES: dict[Kind, re.Pattern[str]] = {
    "filtered": _any_of(
        r"content[ _-](?:management |safety |moderation )?(?:policy|policies|filter)",
        r"content exists risk",
        r"\A(?![\s\S]*\baccount\b[\s\S]*(?:deactivated|terminated|disabled|suspended))[\s\S]*"
        r"(?:usage (?:polic|guidelines)|violat(?:es|ion of) our [\w -]{0,30}(?:polic|terms|guideline))",
        r"\bblocked (?:input|output)\b",
        r"content ?policy ?violation|new_sensitive|(?:prompt|content|(?:input|output) text) (?:blocked|flagged)",
        r"(?:inappropriate|prohibited|harmful|sensitive|unsafe) content",
        r"(?:prompt|input|content|request|messages?|text|output|response) (?:was|were|is|has been|have been) "
        r"(?:flagged|blocked|moderated)",
        r"requires moderation|flagged_input|flagged (?:for|as|by)\b|moderation (?:policy|system|filter|endpoint)",
        r"safety (?:system|filter|polic|reason|setting|guideline|guard|check)|blocked (?:by|for|due to) safety",
        r"responsible ai|guardrail|risk control|disallowed content|blocked by content moderation|\bnsfw\b|jailbreak",
        r"content of messages is unsafe|flagged as unsafe|violation of our policies",
        r"(?:blocked|rejected) due to security|pattern is blocked|machine outputted is blocked",
        r"不適切な|有害な(?:内容|コンテンツ)|コンテンツ ?(?:ポリシー|フィルタ)",
        r"敏感|违规|違規|违法|不安全|不合规|内容安全|审核(?:不|未)通过|금칙어|개인정보[^.]{0,12}차단",
        r"(?:부적절|유해|선정적|폭력적|혐오|민감)[^.]{0,8}(?:콘텐츠|컨텐츠|내용|표현)|(?:안전|콘텐츠) ?(?:정책|필터)",
    ),
    "quota": _any_of(
        r"credit balance|insufficient[ _](?:account )?(?:balance|credit|fund|quota)",
        r"(?:balance|credits?|funds) (?:is |are |has been |have been )?(?:too low|insufficient|exhausted|depleted)",
        r"(?:out of|no|not enough|more|all available|monthly included|all of your|all your) credits",
        r"out of (?:funds|money|credit)\b|not enough (?:funds|money)|budget limit|spend(?:ing)? cap",
        r"\b(?:balance|credits?|funds|wallet|subscription|payment|invoice)\b[^.]{0,20}"
        r"\b(?:negative|exhausted|depleted|insufficient|used up|expired|failed|overdue|empty|zero|past due)\b",
        r"monthly (?:usage |token |credit |spending )?(?:limit|quota|allowance|budget)",
        r"(?:spend|spending|credit|key) limit\b|budget (?:has been |is )?exceeded|exceeded ?budget|over budget",
        r"payment required|payment method|unpaid|past invoices|overdue (?:payment|balance)",
        r"billing (?:hard )?limit|billing (?:to be |is not )enabled|check your billing",
        r"not enough balance|(?:inactive|no active) subscription|any credits|has no funds|pre-consume quota",
        r"free (?:tier|trial|allocation)\b.{0,60}(?:exhausted|upgrade)|exhausted its free|used up your .{0,20}free",
        r"[余餘][额額](?:不足|为零)|欠费|账户已?欠|(?:额度|額度|配额|套餐|资源包)[^。，]{0,3}(?:不足|用完|用尽|耗尽)|请充值",
        r"(?:잔액|잔고|크레딧|예산|포인트)[^.]{0,8}(?:부족|소진|없습니다|모두 사용)|한도를? (?:모두 )?소진",
        r"specified (?:workspace )?api usage limits|payment instrument|out of call volume quota|\bno quota\b|"
        r"(?:残高|クレジット|予算)[^。]{0,6}(?:不足|ありません|使い切)",
        r"월(?:간|별)? ?(?:사용량|이용량|사용|이용)? ?한도|미납|연체|결제(?:되지| 수단|가 필요)",
    ),
    "too_long": _any_of(
        r"context[ _](?:length|window|size|limit)|context the overflows",
        r"max(?:imum)? (?:context|prompt|input|sequence|model) (?:length|tokens?|size)",
        r"(?:prompt|input|requests?|messages?|conversation|body)(?: is| are)? too (?:long|large)",
        r"too many (?:input |prompt )?tokens(?!, please wait| processed| per)|tokens?, too large",
        r"max_(?:seq|model|context)_len|text too long|超长|exceed max message tokens",
        r"tokens?,? which is more than the maximum|max tokens of \d+ exceeded",
        r"reduce the length|reduce your prompt",
        r"model token limit|input token(?: count|s)(?! per).{0,40}exceed|range of input length",
        r"tokens? exceeds? (?:the )?max",
        r"longer than the (?:model|maximum)|must have less than \d+ tokens|\+ `?max_new_tokens`? must be <=",
        r"context shift is disabled|(?:prompt|input|conversation) exceeds the max|tokens \d+ exceeds? the model",
        r"(?:input|prompt) length \(?\d+(?: tokens\))? exceeds|token count (?:of \d+ )?exceeds|"
        r"too big: \d+ tokens|\d+ tokens but the window is",
        r"(?<!每分钟)(?:上下文|输入|提示词|对话|tokens? ?数量)[^。]{0,10}(?:过长|太长|超过|超出|超限)",
        r"(?<!분당 )(?:컨텍스트|입력|프롬프트|대화|최대 토큰|토큰 한도)[^.]{0,20}(?:초과|너무 (?:깁|길))",
        r"max size: \d+ tokens|max length of current question|input tokens must be no more than",
        r"(?:入力|プロンプト|コンテキスト|トークン)[^。]{0,12}(?:上限を超|長すぎ|超過)",
    ),
    "key": _any_of(
        r"api[ _-]?key.{0,20}(?:not valid|invalid|expired|incorrect|missing|revoked|not (?:found|exist|authorized))",
        r"\btoken (?:is |was |has been )?(?:invalid|expired|revoked)|\bjwt (?:is )?expired",
        r"鉴权失败|身份验证失败|认证失败",
        r"\b(?:bad|unknown|unregistered) api[ _-]?key|api ?key is required|authorization header is",
        r"(?:令牌|密钥|api ?key|认证信息) ?(?:无效|错误|已?过期|已?失效|不存在)|未授权",
        r"(?:api ?키|인증 ?키|인증 토큰|액세스 토큰)[^.]{0,8}(?:유효하지|올바르지|잘못|만료)",
        r"인증에 실패|등록되지 않은 api ?키",
        r"(?:incorrect|invalid|missing|wrong|expired|no) (?:x-)?(?:api|auth|access|authentication|bearer)[ _-]?"
        r"(?:key|token|credential)",
        r"invalid authentication|unauthori[sz]ed|auth(?:entication|orization) (?:failed|fails|error)|login fail",
        r"invalid username or password|could not validate credentials|not authenticated|provide an api key|无效的令牌",
        r"invalid authorization header|Token非法|security token .{0,40}(?:invalid|expired)|api key was reported",
        r"account.{0,40}(?:deactivated|terminated)|api key is disabled|access token does not exist",
        r"(?:api ?キー|認証(?:情報|トークン)|アクセストークン)[^。]{0,8}(?:無効|不正|正しく|期限|見つかり)|認証に失敗",
    ),
    "model": _any_of(
        r"\bmodel\b.{0,80}(?:not exist|not found|(?<!currently )not available(?! right now| at )"
        r"|is not a valid|not a valid|not been found|unknown)",
        r"(?:unknown|invalid|unsupported|no such) model|not a valid model|failed to load model|not found the model",
        r"no (?:allowed )?(?:endpoints|providers) (?:are )?(?:found|available)|"
        r"(?:deployment|endpoint).{0,40}not (?:exist|found)",
        r"(?<!this )\bmodels?\b.{0,60}(?:decommissioned|(?:is|been) deprecated|no longer (?:supported|available)"
        r"|was removed|end of life|is disabled|terms acceptance|blocked at the|not been opened"
        r"|not supported by any provider|identifier is invalid)|model disabled|models/\S+ is not found",
        r"no models? (?:is |are )?loaded",
        r"(?:access to|to access) (?:the )?model|(?m:^model: \S+$)|not a chat model|only supported in v1/|"
        r"(?:work with the specified model|does not support chat)\b|provide a model parameter",
        r"model id .{0,80}throughput",
        r"function '[^']*': not found|no available channel|无可用渠道|模型.{0,40}不存在|未找到.{0,4}模型",
        r"not in the list of (?:allowed|available|supported) models|no such deployment",
        r"is not a supported model|\bmodel\b[^.]{0,40} (?:is not (?:deployed|enabled)|has been retired)",
        r"不支持的模型|无效的模型|marked by provider as legacy|not activated the model|repository not found",
        r"モデル[^。]{0,4}(?:見つかり|存在し|サポートされ|利用でき)|(?:存在しない|無効な)モデル",
        r"모델을 찾을 수 없|(?:존재하지 않는|지원하지 않는|지원되지 않는|사용할 수 없는) 모델|모델이 (?:존재하지|없)",
    ),
    "address": _any_of(
        r"http request (?:was sent )?to (?:an )?https (?:port|server)|invalid host header|"
        r"unexpected endpoint or method|invalid url \(|unknown request url|no route matched",
        r"\A(?:404:? )?(?:page )?not found\.?\Z|\Amethod not allowed\.?\Z",
        r"api[ -]version (?:is )?(?:not supported|missing)|the api version '|api-version query parameter",
    ),
    "rejected": _any_of(
        r"(?:country|region|location)[^.]{0,30} not (?:supported|allowed|available)|access denied",
        r"(?:not (?:supported|allowed|available)|unavailable) in your (?:country|region|location)|권한이 없",
    ),
    "rate_limited": _any_of(
        r"rate.?limit(?! of 0\b)|too many (?:concurrent )?requests|throttl|rate exceeded",
        r"requests? limit (?:exceeded|reached)|please wait before|too quickly|concurrency limit|quota exceeded for",
        r"capacity temporarily exceeded|并发数过高|过于频繁|速率限制|频率.{0,3}(?:限制|超)|请求过多",
        r"per (?:minute|second)\b.{0,20}exceed|每分钟.{0,20}超|분당 .{0,20}초과",
        r"(?<!api )usage limit (?:is |was )?(?:reached|exceeded)|(?:hourly|daily|weekly) (?:usage )?limit|"
        r"api limit has been",
        r"high concurrency|[rt]pm exceed|访问量过大|"
        r"リクエスト(?:数|回数)?[^。]{0,10}(?:上限|多すぎ)|レート(?:制限|リミット)",
        r"\b[rt]pm limit|요청이 너무 (?:많|잦)|(?:요청|호출) (?:수|한도|횟수)[^.]{0,8}초과",
    ),
    # one caller's input, whatever the status says: chat templates and the JSON around them
    "invalid": _any_of(
        r"roles? must alternate|must be alternating|conversation roles|must alternate between",
        r"jinja|chat[ _]template|template (?:error|exception|render)|error rendering prompt|raise_exception",
        r"system (?:role|message|prompt)s? (?:is |are )?not supported",
        r"only (?:the )?user and assistant roles|last message must|first message must|at row \d+, column \d+",
        r"invalid params,|参数(?:非法|有误|错误)|json\.exception|"
        r"failed to parse (?:messages|input|request|tool|json)|input validation error",
    ),
    # a server's own failure, with the status of a mistake in the request
    "failed": _any_of(
        r"degraded function|endpoint is stopped|model has crashed|\Amodel unloaded\b|\Achannel error\Z"
    ),
}
